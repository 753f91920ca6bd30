//! Spans, as a collector gets them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::SystemTime;

use cofferdam_adapters::traces::Traces;

/// A field of protobuf: its number, and what it holds.
enum Field<'a> {
    Bytes(u64, &'a [u8]),
    Other,
}

/// The fields of a message.
fn fields(mut message: &[u8]) -> Vec<Field<'_>> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let (byte, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = number(&mut message);
        match key & 7 {
            0 => {
                number(&mut message);
                found.push(Field::Other);
            }
            1 => {
                message = &message[8..];
                found.push(Field::Other);
            }
            5 => {
                message = &message[4..];
                found.push(Field::Other);
            }
            2 => {
                let length = usize::try_from(number(&mut message)).unwrap();
                found.push(Field::Bytes(key >> 3, &message[..length]));
                message = &message[length..];
            }
            kind => panic!("no field has the kind {kind}"),
        }
    }
    found
}

fn all<'a>(message: &'a [u8], wanted: u64) -> Vec<&'a [u8]> {
    let of = |field: Field<'a>| match field {
        Field::Bytes(number, bytes) if number == wanted => Some(bytes),
        Field::Bytes(..) | Field::Other => None,
    };
    fields(message).into_iter().filter_map(of).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Takes one request: its head and its body.
fn collector() -> (String, std::thread::JoinHandle<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let taken = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "it ends before its end");
            all.extend_from_slice(&buffer[..read]);
            let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = text(&all[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if all.len() == end + 4 + length.parse::<usize>().unwrap() {
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer.as_bytes()).unwrap();
                return (head, all[end + 4..].to_vec());
            }
        }
    });
    (address, taken)
}

/// Runs itself once more: the variables are those of a process.
#[test]
fn a_run_with_its_steps_arrives_as_spans() {
    const NAME: &str = "a_run_with_its_steps_arrives_as_spans";
    if std::env::var("COFFERDAM_TEST_CHILD").is_ok() {
        return child();
    }
    let (address, taken) = collector();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env("COFFERDAM_TEST_CHILD", "1")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &address)
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop")
        .env("TRACEPARENT", format!("00-{trace}-b7ad6b7169203331-01"))
        .status()
        .unwrap();
    assert!(status.success());
    let (head, body) = taken.join().unwrap();
    assert!(head.starts_with("post /v1/traces") && head.contains("application/x-protobuf"), "{head}");
    assert!(head.contains("x-tenant: shop"), "{head}");
    // ExportTraceServiceRequest.resource_spans, ResourceSpans.scope_spans, ScopeSpans.spans.
    let resource = all(&body, 1)[0];
    assert!(String::from_utf8_lossy(all(resource, 1)[0]).contains("cofferdam-test"));
    let spans: Vec<&[u8]> = all(resource, 2).into_iter().flat_map(|scope| all(scope, 2)).collect();
    // Span: trace_id 1, span_id 2, parent_span_id 4, name 5, attributes 9, status 15.
    let of = |name: &str| *spans.iter().find(|span| text(all(span, 5)[0]) == name).unwrap();
    let (run, step, look) = (of("run"), of("step"), of("reconcile"));
    for span in [run, step, look] {
        assert_eq!(hex::encode(all(span, 1)[0]), trace);
    }
    assert_eq!(hex::encode(all(run, 4)[0]), "b7ad6b7169203331");
    assert_eq!(all(step, 4)[0], all(run, 2)[0]);
    // KeyValue: key 1, value 2, whose string_value is 1.
    let attribute = |span: &[u8], key: &str| {
        let found = all(span, 9).into_iter().find(|pair| text(all(pair, 1)[0]) == key).unwrap().to_vec();
        text(all(all(&found, 2)[0], 1)[0])
    };
    assert_eq!(attribute(run, "cofferdam.run.id"), "0198");
    assert_eq!(attribute(step, "cofferdam.step"), "1.1");
    // Status: message 2.
    assert_eq!(text(all(all(step, 15)[0], 2)[0]), "no lock");
    assert!(all(run, 15).first().is_none_or(|status| all(status, 2).is_empty()));
}

fn child() {
    // As the program has it: nothing else would make a request while this thread waits.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let traces = Traces::from_environment("cofferdam-test").unwrap().unwrap();
        let run = traces.begin("run", None, [("cofferdam.run.id", "0198".to_owned())]);
        let step = traces.begin("step", Some(&run), [("cofferdam.step", "1.1".to_owned())]);
        step.end(Some("no lock"));
        run.end(None);
        traces.past("reconcile", SystemTime::now(), [], None);
        traces.close().await;
    });
}
