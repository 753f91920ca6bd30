//! The other end of psql's connection: takes every query, says that it was done, and writes it down.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::support::program;

/// One query of psql.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) query: String,
    /// What followed a COPY FROM STDIN, without the line that ends it.
    pub(crate) rows: Option<String>,
}

/// Everything that `psql -f` sends for a file.
pub(crate) fn sent_by_psql(path: &Path) -> Vec<Sent> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let recording = std::thread::spawn(move || record(listener.accept().unwrap().0));
    let mut command = Command::new(program("psql"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG")) {
        command.env_remove(name);
    }
    let output = command
        .args(["-X", "-q", "-f"])
        .arg(path)
        .arg(format!("host=127.0.0.1 port={port} user=u dbname=d sslmode=disable gssencmode=disable"))
        .env("PGCLIENTENCODING", "UTF8")
        .output()
        .unwrap();
    // With lines that are no SQL it goes on; that it could not even connect is another matter.
    assert_ne!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    recording.join().unwrap()
}

fn record(mut stream: TcpStream) -> Vec<Sent> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut startup).unwrap();
    say(&mut stream, b'R', &[0; 4]);
    for (name, value) in
        [("server_version", "15.0"), ("client_encoding", "UTF8"), ("server_encoding", "UTF8")]
    {
        parameter(&mut stream, name, value);
    }
    parameter(&mut stream, "standard_conforming_strings", "on");
    say(&mut stream, b'Z', b"I");
    let mut sent = Vec::new();
    while let Some((kind, body)) = receive(&mut stream) {
        match kind {
            b'Q' => {
                let query = text(&body[..body.len() - 1]);
                let rows = takes_rows(&query).then(|| rows(&mut stream));
                if let Some(value) = string_setting(&query) {
                    parameter(&mut stream, "standard_conforming_strings", value);
                }
                say(&mut stream, b'C', b"DO\0");
                say(&mut stream, b'Z', b"I");
                sent.push(Sent { query, rows });
            }
            b'X' => break,
            other => panic!("psql sent a {:?}", char::from(other)),
        }
    }
    sent
}

/// By the grammar of COPY: the word STDIN or STDOUT after FROM, outside of quotes, comments and parentheses.
fn takes_rows(query: &str) -> bool {
    let mut words = Vec::new();
    let mut depth = 0;
    let mut rest = query;
    loop {
        rest = &rest[crate::blank::length(rest)..];
        let Some(first) = rest.chars().next() else { break };
        let end = match first {
            '"' | '\'' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        depth += i32::from(first == '(') - i32::from(first == ')');
        if depth == 0 {
            words.push(rest[..end].to_ascii_lowercase());
        }
        rest = &rest[end..];
    }
    words.first().is_some_and(|w| w == "copy")
        && words.windows(2).any(|pair| pair[0] == "from" && ["stdin", "stdout"].contains(&pair[1].as_str()))
}

/// A server tells its client when this setting changes, because it decides what a quote is.
fn string_setting(query: &str) -> Option<&'static str> {
    let query = query.to_ascii_lowercase();
    let value = query.strip_prefix("set standard_conforming_strings")?;
    Some(if value.contains("on") { "on" } else { "off" })
}

fn rows(stream: &mut TcpStream) -> String {
    say(stream, b'G', &[0, 0, 1, 0, 0]);
    let mut rows = Vec::new();
    while let Some((kind, body)) = receive(stream) {
        match kind {
            b'd' => rows.extend(body),
            b'c' | b'f' => break,
            other => panic!("psql sent a {:?} among rows", char::from(other)),
        }
    }
    let rows = text(&rows);
    let end = ["\\.\n", "\\.\r\n", "\\."].iter().find_map(|end| rows.strip_suffix(end));
    end.unwrap_or(&rows).to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn parameter(stream: &mut TcpStream, name: &str, value: &str) {
    say(stream, b'S', format!("{name}\0{value}\0").as_bytes());
}

fn say(stream: &mut TcpStream, kind: u8, body: &[u8]) {
    let length = u32::try_from(body.len()).unwrap() + 4;
    // All at once: a message in several packets waits for the other side's acknowledgement each time.
    stream.write_all(&[&[kind][..], &length.to_be_bytes(), body].concat()).unwrap();
}

fn receive(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Some((head[0], body))
}
