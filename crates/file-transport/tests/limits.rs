//! The limit of connections on real sockets: which worker gets a connection, and which idle one ends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use file_transport::{
    Body, Counters, IdleEviction, LiveLimits, Server, ServerLimits, ServerSettings, Workers,
};

/// Long enough for a connection to become idle, and then only a socket.
const IDLE: Duration = Duration::from_millis(500);

/// Serves the name of the worker's thread on two workers. The threads end with the test's process.
fn serve(settings: ServerSettings) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handler = |_, _| async {
        let name = thread::current().name().unwrap_or_default().to_owned();
        http::Response::new(Body::from(Bytes::from(name)))
    };
    thread::spawn(move || {
        let workers = Workers::start(2).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let run = Server::new(settings).run(&workers, listener, handler, std::future::pending());
        runtime.block_on(run).unwrap();
    });
    address
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a request and returns the worker's name.
    fn worker(&mut self) -> String {
        self.0.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the connection has ended");
        }
        let mut name = vec![0; "worker-0".len()];
        self.0.read_exact(&mut name).unwrap();
        String::from_utf8(name).unwrap()
    }

    /// Whether the server closes the connection. The test fails if it does nothing for long.
    fn has_ended(&mut self) -> bool {
        self.0.read(&mut [0]).is_ok_and(|count| count == 0)
    }
}

/// Three idle connections, the first and the third on one worker.
fn three(address: SocketAddr) -> [Client; 3] {
    let mut clients = [(); 3].map(|()| {
        let mut client = Client::connect(address);
        let worker = client.worker();
        thread::sleep(IDLE);
        (client, worker)
    });
    let [(_, first), (_, second), (_, third)] = &mut clients;
    assert_ne!(first, second, "each worker gets one");
    assert!(first == third || second == third);
    if second == third {
        clients.swap(0, 1);
    }
    clients.map(|(client, _)| client)
}

#[test]
fn eviction_ends_the_longest_idle_connection_of_the_worker_with_most_of_them() {
    let eviction = IdleEviction::default();
    let address = serve(ServerSettings { idle_eviction: eviction.clone(), ..ServerSettings::default() });
    let [mut first, mut second, mut third] = three(address);
    eviction.ask(1);
    assert!(first.has_ended());
    second.worker();
    third.worker();
}

fn at_most(max_connections: usize) -> ServerLimits {
    ServerLimits { max_connections, ..ServerLimits::default() }
}

#[test]
fn at_the_limit_an_idle_connection_makes_room_for_a_new_one() {
    let (counters, limits) = (Arc::<Counters>::default(), LiveLimits::from(at_most(3)));
    let settings = ServerSettings { limits, counters: Arc::clone(&counters), ..ServerSettings::default() };
    let address = serve(settings);
    let [mut first, mut second, mut third] = three(address);
    assert_eq!(counters.crowded.get(), 0);
    Client::connect(address).worker();
    assert!(first.has_ended());
    second.worker();
    third.worker();
    assert_eq!((counters.crowded.get(), counters.accepted.get()), (1, 4));
}

/// Lowered limits end no connection until a new one needs a place; then all that are too many go at once.
#[test]
fn changed_limits_count_from_the_next_connection_on() {
    let limits = LiveLimits::from(at_most(3));
    let address = serve(ServerSettings { limits: limits.clone(), ..ServerSettings::default() });
    let mut clients = three(address);
    limits.set(at_most(1));
    for client in &mut clients {
        client.worker();
    }
    thread::sleep(IDLE);
    let mut newcomer = Client::connect(address);
    newcomer.worker();
    assert!(clients.iter_mut().all(Client::has_ended));

    limits.set(ServerLimits { max_connections_per_address: 1, ..at_most(3) });
    assert!(Client::connect(address).has_ended(), "the address has its connection");
    newcomer.worker();
    limits.set(at_most(2));
    Client::connect(address).worker();
    newcomer.worker();
}
