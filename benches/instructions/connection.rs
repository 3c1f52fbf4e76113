//! A connection of an HTTP server, without a socket.

use std::{
    cell::RefCell,
    future::Future,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use axum::Router;
use http::{Request, header::AUTHORIZATION};
use hyper::{
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
};
use hyper_util::service::TowerToHyperService;

/// The requests, one after the other.
pub(crate) fn bytes<B>(requests: &[Request<B>]) -> Vec<u8> {
    let line = |request: &Request<B>| {
        let token = request.headers()[AUTHORIZATION].to_str().unwrap();
        format!("GET /api/v1/me HTTP/1.1\r\nhost: localhost\r\nauthorization: {token}\r\n\r\n")
    };
    requests.iter().flat_map(|request| line(request).into_bytes()).collect()
}

/// Serves them and returns how many got a 200.
pub(crate) fn serve(router: Router, requests: Vec<u8>) -> usize {
    let responses = Rc::default();
    let wire = Wire { requests, read: 0, responses: Rc::clone(&responses) };
    let connection = http1::Builder::new().half_close(true).serve_connection(wire, TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    // It yields now and then and never waits.
    while connection.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
    responses.borrow().windows(OK.len()).filter(|window| *window == OK).count()
}

struct Wire {
    requests: Vec<u8>,
    read: usize,
    responses: Rc<RefCell<Vec<u8>>>,
}

impl Read for Wire {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let left = &self.requests[self.read..];
        let read = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..read]);
        self.read += read;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.responses.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK";
