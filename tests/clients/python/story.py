"""A story told through a client that openapi-python-client made from schemas/openapi.json: URL KEY."""

import sys

from rapport_client import AuthenticatedClient
from rapport_client.api.contacts import contacts_create, contacts_remove
from rapport_client.api.leads import (
    leads_card,
    leads_change_stage,
    leads_describe,
    leads_list,
    leads_open,
)
from rapport_client.models import (
    BusinessDomain,
    ChangeLeadStage,
    CreateContact,
    DescribeLead,
    LeadSource,
    LeadView,
    OpenLead,
    Problem,
)

url, key = sys.argv[1:]
client = AuthenticatedClient(
    base_url=url, token=key, prefix="", auth_header_name="X-API-Key"
)


def good(answer):
    assert answer.status_code < 300, (answer.status_code, answer.content)
    return answer.parsed, answer.headers.get("ETag")


def refused(answer, status):
    assert answer.status_code == status, (answer.status_code, answer.content)
    assert isinstance(answer.parsed, Problem), answer.parsed
    return answer.parsed


contact, _ = good(
    contacts_create.sync_detailed(
        client=client,
        body=CreateContact(name="Oleh Koval"),
        idempotency_key="python-1",
    )
)
again = contacts_create.sync_detailed(
    client=client, body=CreateContact(name="Oleh Koval"), idempotency_key="python-1"
)
assert again.parsed.id == contact.id and again.headers["Idempotency-Replayed"] == "true"

lead, tag = good(
    leads_open.sync_detailed(
        client=client, body=OpenLead(source=LeadSource.PARTNER, contact_id=contact.id)
    )
)
assert isinstance(lead, LeadView)
step = ChangeLeadStage(stage="contacted", seen="new")
moved, now = good(
    leads_change_stage.sync_detailed(lead.id, client=client, body=step, if_match=tag)
)
assert moved.stage == "contacted"
described = DescribeLead(business_domain=BusinessDomain.FIRST, contact_id=None)
late = leads_describe.sync_detailed(
    lead.id, client=client, body=described, if_match=tag
)
assert refused(late, 412).field == "If-Match"
described, now = good(
    leads_describe.sync_detailed(lead.id, client=client, body=described, if_match=now)
)
assert described.contact_id is None
forbidden = ChangeLeadStage(stage="transferred")
refused(leads_change_stage.sync_detailed(lead.id, client=client, body=forbidden), 409)

listed, _ = good(
    leads_list.sync_detailed(client=client, stage="contacted", limit=500)
)
assert any(one.id == lead.id and one.version == described.version for one in listed)
known = leads_card.sync_detailed(lead.id, client=client, if_none_match=now)
assert known.status_code == 304
assert contacts_remove.sync_detailed(contact.id, client=client).status_code == 204
card, _ = good(leads_card.sync_detailed(lead.id, client=client))
assert card.created_at == lead.created_at
print("told")
