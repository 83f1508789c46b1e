//! The layer that asks the policy of each operation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{End, OperationBody, Reading};
use super::operation::{Operation, Unclear};
use super::table::{Operations, Table};
use crate::middleware::reject::{self, EmptyBody, Rejection};
use crate::middleware::release;
use crate::request_head::RequestHead;

/// The service of [`Operations`].
#[derive(Clone)]
pub struct OperationsService<S> {
    inner: S,
    /// `None` if every operation is allowed.
    table: Option<Arc<Table>>,
}

impl<S> OperationsService<S> {
    /// Allows every operation, and reads none.
    pub(super) fn of_all(inner: S) -> Self {
        Self { inner, table: None }
    }
}

impl<S> Layer<S> for Operations {
    type Service = OperationsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OperationsService { inner, table: Some(Arc::clone(self.table())) }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for OperationsService<S>
where
    S: Service<Request<OperationBody<ReqBody>>, Response = Response<ResBody>> + Clone,
    ReqBody: Body + Unpin,
    ResBody: EmptyBody,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = OperationsFuture<S, ReqBody, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let Some(table) = &self.table else {
            let future = self.inner.call(request.map(OperationBody::unread));
            return OperationsFuture { state: State::Calling { future } };
        };
        let operation = match Body::is_end_stream(request.body()) {
            true if is_bodiless(request.method()) => {
                let asks_for_other = request.headers().contains_key(UPGRADE);
                asks_for_other.then_some(Err(Unclear::OtherProtocol))
            }
            _ if request.method() == Method::POST && is_json(request.headers()) => {
                let (head, body) = request.into_parts();
                let (table, fresh) = (Arc::clone(table), self.inner.clone());
                // The instance that is ready. It is released if the body has to be waited for.
                let inner = std::mem::replace(&mut self.inner, fresh);
                let (head, body) = (Some(head), Some(body));
                let (reading, end, is_ready) = (Reading::default(), None, true);
                let call = Unread { table, head, body, reading, end, inner, is_ready };
                return OperationsFuture { state: State::Reading { call } };
            }
            _ => Some(Err(Unclear::Encoding)),
        };
        let (head, body) = request.into_parts();
        let state = match table.check(&head, operation.as_ref()) {
            Ok(()) => {
                let request = Request::from_parts(head, OperationBody::unread(body));
                State::Calling { future: self.inner.call(request) }
            }
            Err(rejection) => {
                release(&mut self.inner);
                State::refused(rejection)
            }
        };
        OperationsFuture { state }
    }
}

impl Table {
    /// Checks whether the principal of a request may ask for this operation. Without an operation, a token is enough.
    fn check(
        &self,
        head: &Parts,
        operation: Option<&Result<Operation<'_>, Unclear>>,
    ) -> Result<(), Rejection> {
        let request = RequestHead::of_parts(head);
        let checked = match operation.and_then(|operation| self.policy(operation)) {
            None => reject::known(&head.extensions),
            Some(policy) => reject::check_in(request, policy),
        };
        checked.map(drop).map_err(|rejection| {
            let rejection = match operation {
                Some(Ok(operation)) => rejection.in_context(operation),
                Some(Err(unclear)) => rejection.in_context(unclear),
                None => rejection,
            };
            rejection.asked_with(&head.method, &head.headers)
        })
    }
}

/// Returns whether requests of this method ask for nothing if they have no body: they open a stream, or end a session.
fn is_bodiless(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS].contains(method)
}

/// Returns whether the head says that the body is JSON in UTF-8, and nothing else that a server could believe.
fn is_json(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(CONTENT_TYPE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    (field == "application/json" || is_json_type(field)) && !headers.contains_key(CONTENT_ENCODING)
}

fn is_json_type(field: &HeaderValue) -> bool {
    let Ok(field) = field.to_str() else { return false };
    let (essence, parameters) = field.split_once(';').unwrap_or((field, ""));
    let parameter = parameters.trim();
    let mut utf8 = ["", "charset=utf-8", "charset=\"utf-8\""].iter();
    essence.trim().eq_ignore_ascii_case("application/json")
        && utf8.any(|known| known.eq_ignore_ascii_case(parameter))
}

/// A request whose body is read, and the service that it is for.
struct Unread<S, B: Body> {
    table: Arc<Table>,
    head: Option<Parts>,
    body: Option<B>,
    reading: Reading<B::Error>,
    /// How the body has ended, once the operation was allowed.
    end: Option<End>,
    inner: S,
    is_ready: bool,
}

impl<S, B> Unread<S, B>
where
    S: Service<Request<OperationBody<B>>> + Clone,
    B: Body + Unpin,
{
    /// Reads the body, decides, and calls the inner service.
    fn poll_called(&mut self, cx: &mut Context<'_>) -> Poll<Result<Called<S::Future>, S::Error>> {
        if self.end.is_none() {
            match ready!(self.poll_allowed(cx)) {
                Ok(end) => self.end = Some(end),
                Err(rejection) => return Poll::Ready(Ok(Err(rejection))),
            }
        }
        if !self.is_ready {
            ready!(self.inner.poll_ready(cx))?;
        }
        let head = self.head.take().expect(AFTER_COMPLETION);
        let body = self.body.take().expect(AFTER_COMPLETION);
        let body = OperationBody::of(std::mem::take(&mut self.reading), body);
        Poll::Ready(Ok(Ok(self.inner.call(Request::from_parts(head, body)))))
    }

    fn poll_allowed(&mut self, cx: &mut Context<'_>) -> Poll<Result<End, Rejection>> {
        let body = self.body.as_mut().expect(AFTER_COMPLETION);
        let Poll::Ready(end) = self.reading.poll(Pin::new(body), self.table.max_body, cx) else {
            if std::mem::replace(&mut self.is_ready, false) {
                release(&mut self.inner);
            }
            return Poll::Pending;
        };
        let operation = match end {
            End::Whole => Operation::read(self.reading.bytes()),
            End::TooLarge => Err(Unclear::TooLarge),
            End::Failed => Err(Unclear::Incomplete),
        };
        let head = self.head.as_ref().expect(AFTER_COMPLETION);
        Poll::Ready(self.table.check(head, Some(&operation)).map(|()| end))
    }
}

/// The started call of the inner service, or the refusal.
type Called<F> = Result<F, Rejection>;

pin_project! {
    /// The response of an [`OperationsService`].
    pub struct OperationsFuture<S, ReqBody, ResBody>
    where
        S: Service<Request<OperationBody<ReqBody>>>,
        ReqBody: Body,
    {
        #[pin]
        state: State<S, ReqBody, S::Future, ResBody>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F, ResBody>
    where
        B: Body,
    {
        Reading { call: Unread<S, B> },
        Calling { #[pin] future: F },
        Refused { response: Option<Response<ResBody>> },
    }
}

impl<S, B: Body, F, ResBody: EmptyBody> State<S, B, F, ResBody> {
    #[cold]
    fn refused(rejection: Rejection) -> Self {
        Self::Refused { response: Some(rejection.into_response()) }
    }
}

impl<S, ReqBody, ResBody> Future for OperationsFuture<S, ReqBody, ResBody>
where
    S: Service<Request<OperationBody<ReqBody>>, Response = Response<ResBody>> + Clone,
    ReqBody: Body + Unpin,
    ResBody: EmptyBody,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Reading { call } => match ready!(call.poll_called(cx))? {
                    Ok(future) => State::Calling { future },
                    Err(rejection) => State::refused(rejection),
                },
                StateProj::Calling { future } => return future.poll(cx),
                StateProj::Refused { response } => {
                    return Poll::Ready(Ok(response.take().expect(AFTER_COMPLETION)));
                }
            };
            state.set(next);
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for OperationsService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationsService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, ReqBody, ResBody> fmt::Debug for OperationsFuture<S, ReqBody, ResBody>
where
    S: Service<Request<OperationBody<ReqBody>>>,
    ReqBody: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationsFuture").finish_non_exhaustive()
    }
}

const AFTER_COMPLETION: &str = "a future is not polled after it has completed";
