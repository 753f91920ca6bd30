//! A proxy that understands the framing of PostgreSQL's protocol and cuts every connection after the Nth message.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Messages of both directions and of all connections are counted together, in the order of their passing. Several
/// of one kind in a row (the rows of one answer, the parameters at the start) count as one: a client that lacks the
/// end of an answer cannot tell how much of it is lacking.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    passed: AtomicUsize,
    /// After so many messages everything is cut; 0: never.
    cut_after: usize,
    cut: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub(crate) fn start(server_port: u16, cut_after: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            passed: AtomicUsize::new(0),
            cut_after,
            cut: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                if shared.cut.load(Ordering::SeqCst) {
                    drop(client);
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)) else { return };
                shared
                    .open
                    .lock()
                    .unwrap()
                    .extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                // Else every small message waits for the acknowledgement of the one before it.
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (c, s) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let forward = Arc::clone(&shared);
                std::thread::spawn(move || forward.pass(client, s, true));
                let backward = Arc::clone(&shared);
                std::thread::spawn(move || backward.pass(server, c, false));
            }
        });
        Self { port, state }
    }

    pub(crate) fn passed(&self) -> usize {
        self.state.passed.load(Ordering::SeqCst)
    }

    pub(crate) fn was_cut(&self) -> bool {
        self.state.cut.load(Ordering::SeqCst)
    }
}

impl State {
    /// `startup`: the first message of a client has no type byte.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, mut startup: bool) {
        let mut kind = 0;
        while let Some(message) = read_message(&mut from, startup) {
            let same = !startup && std::mem::replace(&mut kind, message[0]) == message[0];
            startup = false;
            if self.cut.load(Ordering::SeqCst) || to.write_all(&message).is_err() {
                break;
            }
            if same {
                continue;
            }
            let number = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
            if number == self.cut_after {
                self.cut.store(true, Ordering::SeqCst);
                for stream in self.open.lock().unwrap().iter() {
                    let _ = stream.shutdown(Shutdown::Both);
                }
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}

fn read_message(from: &mut TcpStream, startup: bool) -> Option<Vec<u8>> {
    let mut message = vec![0; if startup { 4 } else { 5 }];
    from.read_exact(&mut message).ok()?;
    let length_at = message.len() - 4;
    let length = u32::from_be_bytes(message[length_at..].try_into().unwrap()) as usize;
    let mut rest = vec![0; length.checked_sub(4)?];
    from.read_exact(&mut rest).ok()?;
    message.extend(rest);
    Some(message)
}
