"""Reads a whole log as an outside program would, and prints leads by stage as JSON.

usage: NATS_URL=nats://… reader.py PREFIX SCHEMAS
PREFIX is what JetStream's services start with for this user, SCHEMAS the folder `schemas`.

Every commit is validated against the JSON Schema, its chain and its signature are checked.
"""

import asyncio
import base64
import collections
import hashlib
import json
import os
import pathlib
import sys

import nats
from jsonschema import Draft202012Validator
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from referencing import Registry, Resource

STREAM = "RAPPORT_EVENTS_0"


def validator(schemas):
    """The validator of a message, with the schemas of all events."""
    registry = Registry()
    for file in schemas.rglob("*.json"):
        content = json.loads(file.read_text())
        if "$schema" in content:
            resource = Resource.from_contents(content)
            registry = registry.with_resource(file.resolve().as_uri(), resource)
    root = (schemas / "commit.json").resolve().as_uri()
    return Draft202012Validator({"$ref": root}, registry=registry)


class Signers:
    """Whom the stream's metadata says to believe."""

    def __init__(self, metadata):
        self.log = metadata["rapport-identity"]
        self.after = metadata.get("rapport-signed-after")
        self.keys = {}
        for text in filter(None, metadata.get("rapport-signers", "").split(",")):
            key, _, until = text.partition(":")
            key = base64.b64decode(key)
            name = hashlib.sha256(key).hexdigest()[:16]
            self.keys[name] = (VerifyKey(key), int(until) if until else None)

    def believe(self, sequence, subject, headers, body):
        """Whether a message is a commit."""
        if self.after is None or sequence <= int(self.after):
            return True
        name, _, signature = headers.get("Rapport-Signature", "").partition(".")
        if name not in self.keys:
            return False
        key, until = self.keys[name]
        lines = [
            "rapport-commit-v1",
            self.log,
            subject,
            headers.get("Nats-Expected-Last-Subject-Sequence", ""),
            hashlib.sha256(body).hexdigest(),
        ]
        try:
            key.verify("\n".join(lines).encode(), base64.b64decode(signature))
        except (BadSignatureError, ValueError):
            return False
        return until is None or sequence <= until


async def batch(client, prefix, after):
    """Messages behind a sequence: sequence, subject, headers, body."""
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)
    ask = json.dumps({"seq": after + 1, "batch": 256}).encode()
    await client.publish(f"{prefix}.DIRECT.GET.{STREAM}", ask, reply=inbox)
    messages = []
    while True:
        answer = await answers.next_msg(timeout=5)
        headers = answer.headers or {}
        if "Nats-Sequence" not in headers:
            await answers.unsubscribe()
            return messages
        messages.append((int(headers["Nats-Sequence"]), headers["Nats-Subject"], headers, answer.data))


def stage_after(event):
    """The stage that an event moves its lead to; None where it does not."""
    payload = event["payload"]
    match event["type"]:
        case "lead.opened":
            return "new"
        case "lead.stage_changed":
            return payload["to"]
        case "lead.transferred":
            return "transferred"
    return None


async def main():
    prefix, schemas = sys.argv[1], pathlib.Path(sys.argv[2])
    client = await nats.connect(os.environ["NATS_URL"])
    info = json.loads((await client.request(f"{prefix}.STREAM.INFO.{STREAM}", b"")).data)
    signers, valid = Signers(info["config"]["metadata"]), validator(schemas)
    chains, leads, commits, passed_over, last = {}, {}, 0, 0, 0
    while messages := await batch(client, prefix, last):
        for sequence, subject, headers, body in messages:
            assert sequence == last + 1, f"{sequence} comes after {last}"
            last = sequence
            if not signers.believe(sequence, subject, headers, body):
                passed_over += 1
                continue
            commit = json.loads(body)
            valid.validate(commit)
            stream = f"{commit['workspace']}.{commit['category']}.{commit['id']}"
            assert subject == f"rapport.ev.0.{stream}"
            assert headers["Nats-Msg-Id"] == commit["commit_id"]
            version, hashed = chains.get(subject, (0, None))
            assert commit.get("prev_hash") == hashed, f"{sequence} is not chained"
            assert commit["first_version"] == version + 1, f"{sequence} jumps"
            version += len(commit["events"])
            chains[subject] = (version, hashlib.sha256(body).hexdigest())
            commits += 1
            for event in commit["events"]:
                if (stage := stage_after(event)) and commit["workspace"] == "main":
                    leads[commit["id"]] = stage
    stages = collections.Counter(leads.values())
    print(json.dumps({"commits": commits, "passed_over": passed_over, "leads": stages, "signed": signers.after is not None}))
    await client.close()


asyncio.run(main())
