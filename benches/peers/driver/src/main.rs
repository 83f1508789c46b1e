//! Starts the peers, lets them take turns, and writes the tables into `BENCHMARKS.md`.
//!
//! ```text
//! driver table [--quick]    in the process: time and allocations per request
//! driver wire [--quick]     over loopback, with wrk: requests per second
//! driver packages [wire]    the packages that have to be built, one a line
//! driver layouts [--quick]  in how many layouts they are linked for the wire: 1, 2, …
//! ```
//!
//! `../run` and `../wire` build what is needed first.

mod document;
mod fixture;
mod peers;
mod table;
mod wire;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    match arguments.first().map(String::as_str) {
        Some("table") => table::measure(quick),
        Some("wire") => wire::measure(quick),
        Some("packages") => {
            let wire = arguments.get(1).is_some_and(|what| what == "wire");
            let peers = peers::PEERS.iter().filter(|peer| peer.wire || !wire);
            let mut packages: Vec<_> = peers.map(peers::Peer::program).collect();
            packages.dedup();
            println!("{}", packages.join("\n"));
        }
        Some("layouts") => (1..=wire::layouts(quick)).for_each(|layout| println!("{layout}")),
        _ => panic!("driver table|wire|packages|layouts"),
    }
}
