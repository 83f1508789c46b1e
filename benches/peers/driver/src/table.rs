//! Time and allocations per request, in the process.

use std::fmt::Write as _;
use std::time::Instant;

use crate::document;
use crate::fixture::{Fixture, NAMES};
use crate::peers::{Note, PEERS, Peer, Running, layouts, version};

pub(crate) fn measure(quick: bool) {
    let (rounds, micros) = if quick { (3, 300) } else { (104, 2_000) };
    let fixture = Fixture::write();
    let start = |layout| -> Vec<_> {
        PEERS.iter().map(|peer| Running::start(peer, layout, &fixture)).collect()
    };
    let mut running: Vec<_> = (1..=layouts(quick)).map(start).collect();
    let began = Instant::now();
    let mut all: Vec<[Vec<f64>; 4]> = PEERS.iter().map(|_| Default::default()).collect();
    // One after the other, again and again: a busy machine is equally unkind to all.
    for round in 0..rounds {
        let layout = round % running.len();
        let running = &mut running[layout];
        for (column, algorithm) in NAMES.iter().enumerate() {
            for (peer, samples) in running.iter_mut().zip(&mut all) {
                samples[column].extend(peer.measure(algorithm, micros));
            }
        }
    }
    let seconds = began.elapsed().as_secs();
    let results = Results { running: running.swap_remove(0), all };
    let text = format!(
        "{}.\n{} bytes of claims; {rounds} rounds in {} layouts, slices of {} ms, {seconds} s in all.\n\
         The median of the bare route was {:.0} % above its best round.\n\n{}{}\n{}",
        document::circumstances(),
        fixture.bytes_of_claims,
        layouts(quick),
        micros as f64 / 1e3,
        results.wander(),
        results.times(),
        results.costs(),
        footnotes(),
    );
    document::put("peers", &text, quick);
}

struct Results {
    running: Vec<Running>,
    all: Vec<[Vec<f64>; 4]>,
}

impl Results {
    /// Nanoseconds per request, and how many times the bare route that is.
    fn times(&self) -> String {
        let mut table = String::from(
            "| ns per request (times the bare route) | version | signatures by | HS256 | RS256 | \
             ES256 | EdDSA |\n|---|---|---|--:|--:|--:|--:|\n",
        );
        for (row, peer) in PEERS.iter().enumerate() {
            let _ = write!(table, "| {} | {} ", title(peer), version(peer.version_of));
            let _ = write!(table, "| {} |", peer.signatures);
            for column in 0..NAMES.len() {
                let cell = self.median(row, column).map_or("–".to_owned(), |ns| {
                    format!("{} ({:.2})", thousands(ns), ns / self.base(peer, column))
                });
                let _ = write!(table, " {cell} |");
            }
            table.push('\n');
        }
        table + "\n"
    }

    /// What is added to the bare route, and allocations.
    fn costs(&self) -> String {
        let mut table = String::from(
            "| ns added to the bare route, allocations per request | HS256 | | RS256 | | ES256 | | \
             EdDSA | |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for (row, peer) in PEERS.iter().enumerate() {
            let _ = write!(table, "| {} |", title(peer));
            for (column, algorithm) in NAMES.iter().enumerate() {
                let cells = self.median(row, column).map(|ns| {
                    let added = thousands(ns - self.base(peer, column));
                    format!(" {added} | {} |", self.running[row].allocations[*algorithm])
                });
                table += &cells.unwrap_or_else(|| " – | – |".to_owned());
            }
            table.push('\n');
        }
        table
    }

    fn median(&self, row: usize, column: usize) -> Option<f64> {
        median(&self.all[row][column])
    }

    fn base(&self, peer: &Peer, column: usize) -> f64 {
        let row = PEERS.iter().position(|other| other.name == peer.base).expect("a bare route");
        self.median(row, column).expect("a route takes all")
    }

    /// How far the bare route's median is above its best round, in per cent.
    fn wander(&self) -> f64 {
        let rounds = &self.all[0][0];
        let best = rounds.iter().copied().fold(f64::INFINITY, f64::min);
        (median(rounds).expect("rounds") / best - 1.0) * 100.0
    }
}

pub(crate) fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number <= -0.5 { format!("−{text}") } else { text }
}

/// The peer's name with the numbers of its footnotes.
fn title(peer: &Peer) -> String {
    let notes = notes();
    let numbers = peer.notes.iter().map(|note| {
        let at = notes.iter().position(|other| other == note).expect("one of all");
        (at + 1).to_string()
    });
    let numbers: Vec<String> = numbers.collect();
    if numbers.is_empty() {
        return peer.name.to_owned();
    }
    format!("{} <sup>{}</sup>", peer.name, numbers.join(", "))
}

fn footnotes() -> String {
    let mut text = String::new();
    for (at, note) in notes().iter().enumerate() {
        let _ = writeln!(text, "{}. {note}", at + 1);
    }
    text
}

fn notes() -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for note in PEERS.iter().flat_map(|peer| peer.notes) {
        if !notes.contains(note) {
            notes.push(note);
        }
    }
    notes
}
