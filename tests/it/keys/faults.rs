//! Tests how requests see a broken provider: each fault in each state of the keys.
//!
//! All tests run through the layer and over real sockets, with a source in its default settings.

mod cell;
mod hanging;
mod recovery;

use std::time::Duration;

use tower_bearer::test_util::Fault;

use self::cell::{Cell, Expected, Outcome, State};

const A_MOMENT: Duration = Duration::from_millis(50);
const TOO_LONG: Duration = Duration::from_secs(60);

/// For each fault and each state: the outcome of the token that needs a fetch, and the number of
/// fetches.
macro_rules! cells {
    ($(
        $name:ident: $fault:expr => $cold:expr, $warm:expr, $stale:expr, $expired:expr;
    )*) => {
        const TABLE: &[(&str, Option<Fault>, [Expected; 4])] = &[
            $((stringify!($name), $fault, [$cold, $warm, $stale, $expired]),)*
        ];

        $(mod $name {
            use super::*;

            #[tokio::test]
            async fn while_there_are_no_keys() {
                Cell::run(State::Cold, $fault, $cold).await;
            }

            #[tokio::test]
            async fn while_keys_are_fresh() {
                Cell::run(State::Warm, $fault, $warm).await;
            }

            #[tokio::test]
            async fn while_keys_are_stale() {
                Cell::run(State::Stale, $fault, $stale).await;
            }

            #[tokio::test]
            async fn when_keys_have_expired() {
                Cell::run(State::Expired, $fault, $expired).await;
            }
        })*
    };
}

// With fresh keys, the token that needs a fetch is the first of a new key. With stale keys it is
// the same, and one fetch was due anyway; if that fetch has brought the new key, there is no other.
cells! {
    // A provider that …
    provider_is_well: None
        => served(1), served(1), served(1), served(1);
    provider_is_down: Some(Fault::Down)
        => unavailable(1), unavailable(1), unavailable(2), unavailable(1);
    provider_hangs: Some(Fault::Hang)
        => unavailable(1), unavailable(1), unavailable(2), unavailable(1);
    provider_answers_after_a_moment: Some(Fault::SlowHeaders(A_MOMENT))
        => served(1), served(1), served(1), served(1);
    provider_answers_too_late: Some(Fault::SlowHeaders(TOO_LONG))
        => unavailable(1), unavailable(1), unavailable(2), unavailable(1);
    provider_answers_in_pieces: Some(Fault::SlowBody(A_MOMENT))
        => served(1), served(1), served(1), served(1);
    provider_drips: Some(Fault::SlowBody(TOO_LONG))
        => unavailable(1), unavailable(1), unavailable(2), unavailable(1);
    provider_answers_500: Some(Fault::Status(500))
        => unavailable(1), unavailable(1), unavailable(2), unavailable(1);
    provider_answers_404: Some(Fault::Status(404))
        => unavailable(1), unavailable(1), unavailable(2), unavailable(1);
    // A provider that answers 304 is believed, if a document was fetched before.
    provider_answers_304: Some(Fault::Status(304))
        => unavailable(1), unknown(1), unknown(2), served(1);
    provider_sends_a_page: Some(Fault::Html)
        => unavailable(1), unavailable(1), unavailable(2), unavailable(1);
    provider_sends_an_empty_set: Some(Fault::EmptySet)
        => unavailable(1), unavailable(1), unavailable(2), unavailable(1);
    provider_sends_too_much: Some(Fault::Huge)
        => unavailable(1), unavailable(1), unavailable(2), unavailable(1);
    provider_breaks_off: Some(Fault::Truncated)
        => unavailable(1), unavailable(1), unavailable(2), unavailable(1);
    provider_redirects: Some(Fault::Redirect)
        => unavailable(1), unavailable(1), unavailable(2), unavailable(1);
    // The metadata is not read again for each fetch, and stays in use for a day.
    provider_names_another_issuer: Some(Fault::WrongIssuer)
        => unavailable(1), served(1), served(1), served(1);
    provider_sends_odd_keys_too: Some(Fault::OddKeys)
        => served(1), served(1), served(1), served(1);
}

const fn served(fetches: u64) -> Expected {
    Expected { outcome: Outcome::Served, fetches }
}

const fn unavailable(fetches: u64) -> Expected {
    Expected { outcome: Outcome::Unavailable, fetches }
}

const fn unknown(fetches: u64) -> Expected {
    Expected { outcome: Outcome::Unknown, fetches }
}

#[tokio::test]
#[ignore = "prints the table; with --nocapture it can be seen"]
async fn table() {
    println!("| | no keys | fresh keys | stale keys | expired keys |");
    println!("|---|---|---|---|---|");
    for (name, fault, expected) in TABLE {
        print!("| {} |", name.replace('_', " "));
        for (state, expected) in State::ALL.into_iter().zip(*expected) {
            print!(" {} |", Cell::run(state, *fault, expected).await);
        }
        println!();
    }
}
