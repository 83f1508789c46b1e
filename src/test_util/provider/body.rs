use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::busy::BusyGuard;

/// A body that can be sent slowly, without its length, or cut short.
pub(super) struct Body {
    pieces: VecDeque<Bytes>,
    /// The length that the client is told, which need not be true.
    length: Option<u64>,
    /// The pause before each piece.
    pause: Option<Duration>,
    pausing: Option<Pin<Box<Sleep>>>,
    end: End,
    /// Held while the body exists.
    held: Option<BusyGuard>,
}

enum End {
    Good,
    /// Ends the connection, after the client has received the data before.
    Broken {
        flushed: bool,
    },
}

impl Body {
    pub(super) fn empty() -> Self {
        Self::of(VecDeque::new())
    }

    pub(super) fn whole(text: impl Into<Bytes>) -> Self {
        Self::of(VecDeque::from([text.into()]))
    }

    /// Sends the text in pieces, the last of them after this time.
    pub(super) fn slow(text: String, duration: Duration) -> Self {
        let mut text = Bytes::from(text);
        let size = text.len().div_ceil(PIECES as usize);
        let mut pieces = VecDeque::new();
        while !text.is_empty() {
            pieces.push_back(text.split_to(size.min(text.len())));
        }
        Self { pause: Some(duration / PIECES), ..Self::of(pieces) }
    }

    /// Adds a member to the object that makes it 8 MiB long. The client is not told the length.
    pub(super) fn huge(object: &str) -> Self {
        let start = object.strip_suffix('}').expect("the text of a JSON object");
        let filling = Bytes::from(vec![b'x'; 64 * 1024]);
        let mut pieces = VecDeque::from([Bytes::from(format!(r#"{start},"filling":""#))]);
        pieces.extend(std::iter::repeat_n(filling, 128));
        pieces.push_back(Bytes::from_static(b"\"}"));
        Self { length: None, ..Self::of(pieces) }
    }

    /// Sends half of the text, and ends the connection.
    pub(super) fn truncated(text: String) -> Self {
        let length = text.len();
        let text = Bytes::from(text);
        Self {
            length: Some(length as u64),
            end: End::Broken { flushed: false },
            ..Self::whole(text.slice(..length / 2))
        }
    }

    pub(super) fn while_held(mut self, held: BusyGuard) -> Self {
        self.held = Some(held);
        self
    }

    fn of(pieces: VecDeque<Bytes>) -> Self {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        let length = Some(length);
        Self { pieces, length, pause: None, pausing: None, end: End::Good, held: None }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = ConnectionAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ConnectionAborted>>> {
        let this = &mut *self;
        if !this.pieces.is_empty()
            && let Some(pause) = this.pause
        {
            let pausing = this.pausing.get_or_insert_with(|| Box::pin(sleep(pause)));
            ready!(pausing.as_mut().poll(cx));
            this.pausing = None;
        }
        if let Some(piece) = this.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut this.end {
            End::Good => Poll::Ready(None),
            // hyper flushes before it polls again.
            End::Broken { flushed } if !*flushed => {
                *flushed = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::Broken { .. } => Poll::Ready(Some(Err(ConnectionAborted))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && matches!(self.end, End::Good)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The error of a body or a connection that ends early.
#[derive(Debug)]
pub(super) struct ConnectionAborted;

impl fmt::Display for ConnectionAborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the provider was told to break off here")
    }
}

impl Error for ConnectionAborted {}

const PIECES: u32 = 8;
