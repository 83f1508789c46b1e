//! Starts the peers, lets them take turns, and writes the tables into `docs/BENCHMARKS.md`.
//!
//! ```text
//! driver table [--quick]    in the process: time and allocations per request
//! driver wire [--quick]     over loopback, with wrk: requests per second
//! driver packages           the packages that have to be built, one a line
//! driver layouts [--quick]  the layouts that each is linked in: 1, 2, …
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
            let mut packages: Vec<_> = peers::PEERS.iter().map(peers::Peer::program).collect();
            packages.dedup();
            println!("{}", packages.join("\n"));
        }
        Some("layouts") => (1..=peers::layouts(quick)).for_each(|layout| println!("{layout}")),
        _ => panic!("driver table|wire|packages|layouts"),
    }
}
