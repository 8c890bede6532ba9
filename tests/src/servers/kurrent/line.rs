//! Connections that can be cut.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::server::Connected;

/// Every connection of a server.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    cuts: Arc<AtomicU64>,
    away: Arc<AtomicBool>,
}

impl Line {
    /// Cuts the connections that there are.
    pub(super) fn cut(&self) {
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn go_away(&self) {
        self.away.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub(super) fn come_back(&self) {
        self.away.store(false, Ordering::SeqCst);
    }

    /// The connections as they come.
    pub(super) fn connections(
        self,
        listener: TcpListener,
    ) -> impl Stream<Item = io::Result<Connection>> {
        futures::stream::unfold((self, listener), async |(line, listener)| {
            loop {
                let stream = match listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(error) => return Some((Err(error), (line, listener))),
                };
                if !line.away.load(Ordering::SeqCst) {
                    let connection = Connection {
                        stream,
                        cuts: line.cuts.load(Ordering::SeqCst),
                        line: line.clone(),
                    };
                    return Some((Ok(connection), (line, listener)));
                }
            }
        })
    }
}

/// A connection, until it is cut.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    cuts: u64,
    line: Line,
}

impl Connection {
    fn whole(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if self.line.cuts.load(Ordering::SeqCst) == self.cuts {
            return Ok(Pin::new(&mut self.stream));
        }
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.whole() {
            Ok(stream) => stream.poll_read(cx, into),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.whole() {
            Ok(stream) => stream.poll_write(cx, bytes),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.whole() {
            Ok(stream) => stream.poll_flush(cx),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
