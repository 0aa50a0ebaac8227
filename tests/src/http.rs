//! Just enough of HTTP to stand where a server of AWS would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A request, read to its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// The method and the path, as they stand in the first line.
    pub(crate) line: String,
    /// The headers, with their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Reads the request that a connection begins with. `None` if the client hangs up before.
    pub(crate) fn read(connection: impl Read) -> Option<Self> {
        let mut reader = BufReader::new(connection);
        let mut request = Self::default();
        let mut first = true;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().split_once(':') {
                _ if first => request.line = line.trim_end().to_owned(),
                Some((name, value)) => {
                    request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                }
                None => break,
            }
            first = false;
        }
        let length = request.header("content-length").and_then(|length| length.parse().ok());
        request.body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut request.body).ok()?;
        Some(request)
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Answers with a status and a body, and ends the connection. `None` if the client hangs up.
pub(crate) fn respond(mut connection: &TcpStream, status: u16, body: &str) -> Option<()> {
    let head = head(status, body.len());
    write!(connection, "{head}{body}").ok()
}

/// The same, with a header of its own.
pub(crate) fn respond_with(
    mut connection: &TcpStream,
    headers: &[(&str, String)],
    body: &str,
) -> Option<()> {
    let mut head = head(200, body.len());
    for (name, value) in headers {
        head = head.replacen("\r\n", &format!("\r\n{name}: {value}\r\n"), 1);
    }
    write!(connection, "{head}{body}").ok()
}

/// The head of an answer whose body is to have a length.
pub(crate) fn head(status: u16, length: usize) -> String {
    format!(
        "HTTP/1.1 {status} Answer\r\nContent-Type: text/xml\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}
