//! Reads the beginning of a body, and passes it on whole.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// The body of a request that [`Operations`](super::Operations) have read: its bytes as they came, its trailers, and the
/// error with which it ended.
///
/// Bytes that came in small pieces may go on in larger ones.
pub struct OperationBody<B: Body> {
    read: Bytes,
    /// The bytes that came beyond the bound.
    beyond: Bytes,
    trailers: Option<HeaderMap>,
    error: Option<B::Error>,
    /// Whether all frames of the body have been read.
    is_over: bool,
    rest: B,
}

// Nothing in it is pinned.
impl<B: Body + Unpin> Unpin for OperationBody<B> {}

impl<B: Body> OperationBody<B> {
    /// Passes on a body of which nothing was read.
    pub(super) fn unread(body: B) -> Self {
        Self::of(Reading::default(), body)
    }

    pub(super) fn of(reading: Reading<B::Error>, rest: B) -> Self {
        let Reading { one, many, beyond, trailers, error, is_over } = reading;
        let read = if many.is_empty() { one } else { many.freeze() };
        Self { read, beyond, trailers, error, is_over, rest }
    }
}

impl<B: Body + Unpin> Body for OperationBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        for bytes in [&mut this.read, &mut this.beyond] {
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))));
            }
        }
        if let Some(trailers) = this.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if let Some(error) = this.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        if this.is_over {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut this.rest).poll_frame(cx));
        this.is_over = frame.is_none();
        Poll::Ready(frame.map(|frame| frame.map(as_bytes)))
    }

    fn is_end_stream(&self) -> bool {
        let nothing_read = self.read.is_empty() && self.beyond.is_empty();
        nothing_read
            && self.trailers.is_none()
            && self.error.is_none()
            && (self.is_over || self.rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let read = (self.read.len() + self.beyond.len()) as u64;
        let rest = if self.is_over { SizeHint::with_exact(0) } else { self.rest.size_hint() };
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint.set_lower(rest.lower().saturating_add(read));
        hint
    }
}

fn as_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

impl<B: Body> fmt::Debug for OperationBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationBody").finish_non_exhaustive()
    }
}

/// The part of a body that has been read.
pub(super) struct Reading<E> {
    /// The bytes, while all of them came at once.
    one: Bytes,
    /// The bytes, if they came in pieces. Small pieces cost no more memory than their bytes.
    many: BytesMut,
    beyond: Bytes,
    trailers: Option<HeaderMap>,
    error: Option<E>,
    /// Whether the body has no more frames.
    is_over: bool,
}

/// How the reading of a body has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    TooLarge,
    Failed,
}

impl<E> Reading<E> {
    /// Reads a body up to this number of bytes.
    pub(super) fn poll<B: Body<Error = E>>(
        &mut self,
        mut body: Pin<&mut B>,
        max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<End> {
        // Known beforehand, so nothing is read in vain.
        if body.size_hint().lower().saturating_add(self.bytes().len() as u64) > max as u64 {
            return Poll::Ready(End::TooLarge);
        }
        while !body.is_end_stream() {
            match ready!(body.as_mut().poll_frame(cx)) {
                None => break,
                Some(Ok(frame)) => match as_bytes(frame).into_data() {
                    Ok(data) if data.len() > max - self.bytes().len() => {
                        self.beyond = data;
                        return Poll::Ready(End::TooLarge);
                    }
                    Ok(data) => self.take(data, body.size_hint().upper()),
                    Err(other) => {
                        self.trailers = other.into_trailers().ok();
                        break;
                    }
                },
                Some(Err(error)) => {
                    self.error = Some(error);
                    self.is_over = true;
                    return Poll::Ready(End::Failed);
                }
            }
        }
        self.is_over = true;
        Poll::Ready(End::Whole)
    }

    fn take(&mut self, data: Bytes, left: Option<u64>) {
        if self.bytes().is_empty() {
            self.one = data;
            return;
        }
        if self.many.is_empty() {
            let one = std::mem::take(&mut self.one);
            let known = one.len() + data.len();
            let left = left.and_then(|left| usize::try_from(left).ok()).unwrap_or_default();
            // The client has said how much, and has not sent it.
            self.many.reserve(known.saturating_add(left.min(MAX_RESERVE)));
            self.many.extend_from_slice(&one);
        }
        self.many.extend_from_slice(&data);
    }

    /// Returns the bytes that were read, without those beyond the bound.
    pub(super) fn bytes(&self) -> &[u8] {
        if self.many.is_empty() { &self.one } else { &self.many }
    }
}

impl<E> Default for Reading<E> {
    fn default() -> Self {
        Self {
            one: Bytes::new(),
            many: BytesMut::new(),
            beyond: Bytes::new(),
            trailers: None,
            error: None,
            is_over: false,
        }
    }
}

const MAX_RESERVE: usize = 64 << 10;
