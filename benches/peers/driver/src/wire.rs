//! Requests per second over loopback: the server on one core, the load on another.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::document;
use crate::fixture::Fixture;
use crate::peers::{PEERS, Peer, layouts};
use crate::table::{median, thousands};

pub(crate) fn measure(quick: bool) {
    let (rounds, seconds) = if quick { (1, 1) } else { (3 * layouts(quick), 1) };
    let fixture = Fixture::write();
    let peers: Vec<&Peer> = PEERS.iter().filter(|peer| peer.wire).collect();
    let mut table = String::from(
        "| requests per second (of a layer's that does nothing) | HS256 | ES256 |\n|---|--:|--:|\n",
    );
    let columns = ALGORITHMS.map(|algorithm| {
        let mut all: Vec<Vec<f64>> = peers.iter().map(|_| Vec::new()).collect();
        for round in 0..rounds {
            let layout = 1 + round % layouts(quick);
            for (peer, samples) in peers.iter().zip(&mut all) {
                // Anew each time: where a process happens to lie in memory makes some per cent.
                let server = Server::start(peer, layout, &fixture, algorithm);
                samples.push(server.load(fixture.token(algorithm), seconds));
            }
        }
        all.iter().map(|samples| median(samples).expect("rounds")).collect::<Vec<_>>()
    });
    let nothing = peers.iter().position(|peer| peer.variant == "nothing").expect("one of all");
    for (row, peer) in peers.iter().enumerate() {
        let _ = write!(table, "| {} |", peer.name);
        for column in &columns {
            let part = column[row] / column[nothing] * 100.0;
            let _ = write!(table, " {} ({part:.1} %) |", thousands(column[row]));
        }
        table.push('\n');
    }
    let text = format!(
        "{}. HTTP/1.1, {CONNECTIONS} connections that stay open;\nmedians of {rounds} turns of \
         {seconds} s, a new process in each, in {} layouts. Per second of processor time of the server.\n\n{table}",
        document::circumstances(),
        layouts(quick),
    );
    document::put("wire", &text, quick);
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(peer: &Peer, layout: u32, fixture: &Fixture, algorithm: &str) -> Self {
        let mut child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(peer.path(layout))
            .arg(&fixture.file)
            .args([peer.variant, "--serve", algorithm])
            .stdout(Stdio::piped())
            .spawn()
            .expect("taskset");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        output.read_line(&mut line).expect("text");
        let address = line.trim_end().strip_prefix("serving ").expect("an address");
        Self { child, address: address.to_owned() }
    }

    /// Requests for each second that the server has had of the processor. With a machine to
    /// itself, it has all of its core, and that is requests per second.
    fn load(&self, token: &str, seconds: u32) -> f64 {
        let before = self.processor_time();
        let output = Command::new("taskset")
            .args(["-c", "1", "wrk", "--threads", "1"])
            .args(["--connections", &CONNECTIONS.to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .arg(format!("http://{}/", self.address))
            .output()
            .expect("wrk");
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(!report.contains("Non-2xx") && !report.contains("Socket errors"), "{report}");
        let line = report.lines().find(|line| line.contains(" requests in "));
        let requests = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        requests.expect("a report of wrk") / (self.processor_time() - before)
    }

    /// In seconds. The server has one thread.
    fn processor_time(&self) -> f64 {
        let times = fs::read_to_string(format!("/proc/{}/schedstat", self.child.id()));
        let nanoseconds = times.expect("Linux").split(' ').next().map(str::parse::<f64>);
        nanoseconds.expect("a number").expect("nanoseconds") / 1e9
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ALGORITHMS: [&str; 2] = ["HS256", "ES256"];
const CONNECTIONS: u32 = 32;
