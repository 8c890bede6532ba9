//! The methods that Rapport's archive calls: `Append`, `Read`, `GetSupportedMethods`.

#![expect(clippy::result_large_err, reason = "a Status of tonic is large")]

use std::convert::Infallible;
use std::future::ready;
use std::net::TcpListener;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::body::BoxBody;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::metadata::MetadataValue;
use tonic::server::{Grpc, NamedService};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use tower::service_fn;

use super::codec::Prost;
use super::streams::{Held, Proposed, Refusal};
use super::wire::append_req::{Content, Expected};
use super::wire::append_resp::{Outcome, Success, WrongExpectedVersion};
use super::wire::read_req::From as Begin;
use super::wire::{
    AppendReq, AppendResp, Empty, ReadReq, ReadResp, StreamIdentifier, SupportedMethod,
    SupportedMethods, read_resp,
};
use super::{Shared, lock};

/// Answers until nobody listens to it any more.
pub(super) async fn serve(shared: Shared, listener: TcpListener) {
    listener.set_nonblocking(true).expect("a socket");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    let connections = shared.line.clone().connections(listener);
    let server = Server::builder()
        .add_service(Features)
        .add_service(Streams(shared));
    // A connection that was cut is no failure of the server.
    let _ = server.serve_with_incoming(connections.boxed()).await;
}

type Answer = BoxFuture<http::Response<BoxBody>, Infallible>;

#[derive(Clone)]
struct Streams(Shared);

impl NamedService for Streams {
    const NAME: &'static str = "event_store.client.streams.Streams";
}

impl Service<http::Request<BoxBody>> for Streams {
    type Response = http::Response<BoxBody>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<BoxBody>) -> Answer {
        let shared = self.0.clone();
        Box::pin(async move {
            Ok(match request.uri().path().rsplit('/').next() {
                Some("Append") => {
                    let append = service_fn(move |request| append(shared.clone(), request));
                    Grpc::new(Prost::default())
                        .client_streaming(append, request)
                        .await
                }
                Some("Read") => {
                    let read = service_fn(move |request| ready(read(&shared, request)));
                    Grpc::new(Prost::default())
                        .server_streaming(read, request)
                        .await
                }
                Some(_) | None => Status::unimplemented("not here").into_http(),
            })
        })
    }
}

async fn append(
    shared: Shared,
    request: Request<Streaming<AppendReq>>,
) -> Result<Response<AppendResp>, Status> {
    let mut request = request.into_inner();
    let (mut options, mut events) = (None, Vec::new());
    while let Some(part) = request.message().await? {
        match part.content {
            Some(Content::Options(said)) => options = Some(said),
            Some(Content::Proposed(event)) => events.push(Proposed {
                id: event.id.unwrap_or_default(),
                system: event.metadata,
                metadata: event.custom_metadata,
                data: event.data,
            }),
            None => return Err(Status::invalid_argument("an empty message")),
        }
    }
    let options = options.ok_or_else(|| Status::invalid_argument("no options"))?;
    let stream = name(options.stream)?;
    let expected = match options.expected {
        Some(Expected::Revision(revision)) => Some(revision),
        Some(Expected::NoStream(Empty {})) => None,
        Some(Expected::Any(Empty {}) | Expected::StreamExists(Empty {})) | None => {
            return Err(Status::unimplemented(
                "the archive always knows what it expects",
            ));
        }
    };
    let mut streams = lock(&shared.streams);
    let mut faults = lock(&shared.faults);
    if (1..events.len()).contains(&faults.faster) {
        let by = std::mem::take(&mut faults.faster);
        let other = streams.append(&stream, expected, events[..by].to_vec());
        other.map_err(|refusal| refused(&refusal))?;
    }
    let outcome = match streams.append(&stream, expected, events) {
        Ok(last) => {
            if faults.lost_acks > 0 {
                faults.lost_acks -= 1;
                shared.line.cut();
            }
            Outcome::Success(Success {
                current_revision: Some(last),
                no_position: Some(Empty {}),
            })
        }
        Err(Refusal::WrongExpectedVersion { current }) => {
            let none = |revision: Option<u64>| revision.is_none().then_some(Empty {});
            Outcome::WrongExpectedVersion(WrongExpectedVersion {
                current,
                current_no_stream: none(current),
                expected,
                expected_no_stream: none(expected),
            })
        }
        Err(refusal) => return Err(refused(&refusal)),
    };
    Ok(Response::new(AppendResp {
        outcome: Some(outcome),
    }))
}

fn refused(refusal: &Refusal) -> Status {
    let (reason, exception) = match refusal {
        Refusal::WrongExpectedVersion { .. } => ("wrong version", "wrong-expected-version"),
        Refusal::TooLarge => ("maximum append size", "maximum-append-size-exceeded"),
        Refusal::Lacks(key) => (*key, "missing-required-metadata-property"),
    };
    let mut status = Status::invalid_argument(reason);
    let exception = MetadataValue::from_static(exception);
    status.metadata_mut().insert("exception", exception);
    status
}

fn read(
    shared: &Shared,
    request: Request<ReadReq>,
) -> Result<Response<BoxStream<'static, Result<ReadResp, Status>>>, Status> {
    let unknown = || Status::unimplemented("the archive reads streams, in pages");
    let options = request.into_inner().options.ok_or_else(unknown)?;
    let stream = options.stream.ok_or_else(unknown)?;
    let count = usize::try_from(options.count.ok_or_else(unknown)?).unwrap_or(usize::MAX);
    let name = name(stream.identifier)?;
    let from = match stream.from {
        Some(Begin::Revision(revision)) => revision,
        Some(Begin::Start(Empty {})) => 0,
        Some(Begin::End(Empty {})) => u64::MAX,
        None => return Err(unknown()),
    };
    let streams = lock(&shared.streams);
    let events = match options.direction {
        0 => streams.forwards(&name, from, count),
        _ => streams.backwards(&name, from, count),
    };
    let identifier = StreamIdentifier {
        stream_name: name.clone().into(),
    };
    let last = match streams.events(&name).last() {
        Some(last) => read_resp::Content::LastStreamPosition(last.revision),
        None => read_resp::Content::StreamNotFound(read_resp::NotFound {
            stream: Some(identifier.clone()),
        }),
    };
    let events = events
        .into_iter()
        .map(|held| read_resp::Content::Event(recorded(held, identifier.clone())));
    let contents: Vec<_> = events.chain([last]).collect();
    let answer = stream::iter(contents).map(|content| {
        Ok(ReadResp {
            content: Some(content),
        })
    });
    Ok(Response::new(answer.boxed()))
}

fn recorded(held: Held, stream: StreamIdentifier) -> read_resp::Event {
    let mut metadata = held.system;
    metadata.insert("created".into(), "0".into());
    read_resp::Event {
        event: Some(read_resp::Recorded {
            id: Some(held.id),
            stream: Some(stream),
            stream_revision: held.revision,
            metadata,
            custom_metadata: held.metadata,
            data: held.data,
        }),
        no_position: Some(Empty {}),
    }
}

fn name(stream: Option<StreamIdentifier>) -> Result<String, Status> {
    let stream = stream.ok_or_else(|| Status::invalid_argument("no stream"))?;
    String::from_utf8(stream.stream_name.to_vec())
        .map_err(|_| Status::invalid_argument("a stream's name is UTF-8"))
}

#[derive(Clone, Copy)]
struct Features;

impl NamedService for Features {
    const NAME: &'static str = "event_store.client.server_features.ServerFeatures";
}

impl Service<http::Request<BoxBody>> for Features {
    type Response = http::Response<BoxBody>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<BoxBody>) -> Answer {
        let tell = service_fn(|_: Request<Empty>| async {
            let method = |name: &str| SupportedMethod {
                method_name: name.into(),
                service_name: Streams::NAME.to_lowercase(),
            };
            Ok::<_, Status>(Response::new(SupportedMethods {
                methods: vec![method("append"), method("read")],
                server_version: "24.10.0".into(),
            }))
        });
        Box::pin(async move { Ok(Grpc::new(Prost::default()).unary(tell, request).await) })
    }
}
