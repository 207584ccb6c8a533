//! A listener that reads one request of each connection by hand, and answers as told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Method and path.
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Answers every request alike, and remembers them.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<usize>>,
}

impl Listener {
    /// `answer`: the whole response for a request; without it, the connection stays open. It also stays open after a
    /// response with the header `x-open`.
    pub(super) async fn new(
        answer: impl Fn(&Seen) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (seen, connections) = (Arc::default(), Arc::default());
        let this = Self { address, seen: Arc::clone(&seen), connections: Arc::clone(&connections) };
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                *connections.lock().expect("no panic") += 1;
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Some(request) = read(&mut stream).await else { return };
                    let answer = answer(&request);
                    seen.lock().expect("no panic").push(request);
                    let is_open = answer.as_ref().is_none_or(|answer| answer.contains("x-open"));
                    let written = stream.write_all(answer.unwrap_or_default().as_bytes()).await;
                    if written.is_ok() && is_open {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        this
    }

    /// Answers with a status, headers and a text.
    pub(super) async fn saying(status: u16, headers: &str, text: &str) -> Self {
        let answer = response(status, headers, text);
        Self::new(move |_| Some(answer.clone())).await
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().expect("no panic")
    }
}

pub(super) fn response(status: u16, headers: &str, text: &str) -> String {
    let length = text.len();
    let head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\n");
    format!("{head}content-type: text/plain\r\n{headers}\r\n{text}")
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(seen) = head_end.and_then(|end| parsed(&bytes, end)) {
            return Some(seen);
        }
        // TLS, which this listener does not speak.
        if bytes.first() == Some(&0x16) {
            return None;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// The request, if its body is there.
fn parsed(bytes: &[u8], head_end: usize) -> Option<Seen> {
    let head = std::str::from_utf8(&bytes[..head_end]).expect("text");
    let (line, headers) = head.split_once("\r\n").expect("headers");
    let headers = headers.lines().filter_map(|header| header.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let mut seen = Seen { line: line.to_owned(), headers: headers.collect(), body: String::new() };
    let length: usize = seen.header("content-length").expect("a length").parse().expect("a number");
    let body = bytes[head_end + 4..].to_vec();
    seen.body = (body.len() >= length).then(|| String::from_utf8(body).expect("text"))?;
    Some(seen)
}
