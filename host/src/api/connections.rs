//! Connections, bounded: how many there are, and how long one may stay silent. What is said on them is for the router.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

use super::limits::ApiConfig;

/// Accepts connections up to a maximum; further ones wait in the operating system's queue.
pub struct BoundedListener {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    idle: Duration,
}

impl BoundedListener {
    /// Accepts from `listener` within the limits of `config`.
    #[must_use]
    pub fn new(listener: TcpListener, config: &ApiConfig) -> Self {
        let permits = Arc::new(Semaphore::new(config.connections_max));
        Self { listener, permits, idle: Duration::from_secs(config.connection_idle_s) }
    }
}

impl Listener for BoundedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed, so there is always a permit in the end.
        let permit = self.permits.clone().acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let timer = Box::pin(sleep(self.idle));
        (Connection { stream, timer, idle: self.idle, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends itself when nothing has moved on it for too long.
pub struct Connection {
    stream: TcpStream,
    timer: Pin<Box<Sleep>>,
    idle: Duration,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn moved(&mut self) {
        let until = Instant::now() + self.idle;
        self.timer.as_mut().reset(until);
    }

    /// Ready with an error once nothing has moved for too long.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.timer.as_mut().poll(context));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "nothing has moved on the connection for too long"))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, into) {
            Poll::Ready(outcome) => {
                self.moved();
                Poll::Ready(outcome)
            }
            Poll::Pending => self.poll_idle(context).map(Err),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(outcome) => {
                self.moved();
                Poll::Ready(outcome)
            }
            Poll::Pending => self.poll_idle(context).map(Err),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn listener(config: ApiConfig) -> (BoundedListener, SocketAddr) {
        let listener = BoundedListener::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), &config);
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn a_silent_connection_is_ended() {
        let (mut listener, address) = listener(ApiConfig { connection_idle_s: 0, ..ApiConfig::default() }).await;
        let _client = TcpStream::connect(address).await.unwrap();
        let (mut server, _) = listener.accept().await;
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_past_the_maximum_waits_until_another_one_ends() {
        let (mut listener, address) = listener(ApiConfig { connections_max: 1, ..ApiConfig::default() }).await;
        let mut clients = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        clients.1.write_all(b"2").await.unwrap();
        let (first, _) = listener.accept().await;
        let mut second = std::pin::pin!(listener.accept());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        let (mut second, _) = second.await;
        assert_eq!(second.read_u8().await.unwrap(), b'2');
    }
}
