//! Carries out the operations of the services.

use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use serde::Serialize;
use serde_json::json;

use super::accounts::{Account, AccountKey};
use super::attempt::SignInAttempt;
use super::desk::{Desk, Operation};
use super::input::{head_of_post, read_input};
use super::refusal::{INVALID_GRANT, SentenceError, invalid_grant};
use super::user::{Listed, User};
use crate::middleware::cookies::Cookies;
use crate::middleware::source::TokenSource as _;
use crate::observe::trace;
use crate::server::body::ServiceBody;
use crate::server::endpoints::answer::{Answer, Refusal, answer};
use crate::server::endpoints::form::Form;
use crate::server::issue::{IssueError, IssuedToken};
use crate::server::password::{PasswordCheck, PasswordError};
use crate::server::session::{SessionError, SessionTokens, SignIn};
use crate::state::session::Session;

impl Desk {
    pub(super) async fn answer<B: Body>(
        &self,
        operation: Operation,
        request: Request<B>,
    ) -> Answer {
        match operation {
            Operation::SignIn => self.sign_in(request).await,
            Operation::Refresh => self.refresh(request).await,
            Operation::SignOut => self.sign_out(request).await,
            Operation::SignOutEverywhere => self.sign_out_everywhere(&head(request)).await,
            Operation::ListSessions => self.list(&head(request)).await,
            Operation::EndSession => self.end(&head(request)).await,
            Operation::ChangePassword => self.change_password(request).await,
        }
    }

    async fn sign_in<B: Body>(&self, request: Request<B>) -> Answer {
        let known = ["username", "password", "keep", "device", "client_id", "grant_type"];
        let (parts, body) = head_of_post(request)?;
        let form = read_input(&parts, body, &known).await?;
        expect_grant(&form, "password")?;
        let client_id = form.get("client_id");
        if client_id.is_some_and(|client_id| !self.clients.iter().any(|known| known == client_id)) {
            return Err(Refusal::invalid_request("The client is not known here"));
        }
        let keep = self.keep(&form)?;
        if let Some(cookies) = &keep {
            // Another site could sign a browser in as its own user.
            cookies.check(&parts)?;
        }
        let username = form.get("username");
        let username = username.ok_or_else(|| Refusal::invalid_request("There is no username"))?;
        let password = form.get("password");
        let password = password.ok_or_else(|| Refusal::invalid_request("There is no password"))?;
        if username.len() > MAX_USERNAME_BYTES {
            return Err(Refusal::invalid_request("The username is longer than 1 KiB"));
        }
        if let Some(throttle) = &self.throttle {
            let attempt = SignInAttempt { username, is_password_change: false, request: &parts };
            throttle(attempt).map_err(Refusal::too_many)?;
        }
        let began = self.sessions.sign_in_begins();
        let account = self.accounts.find(AccountKey::Username(username)).await?;
        let hash = account.as_ref().and_then(|account| account.password_hash.as_ref());
        let check = self.passwords.verify(password, hash.map(|hash| hash.as_str())).await;
        let check = match check {
            Err(PasswordError::UnreadableHash { problem }) => {
                trace::unreadable_password_hash(problem, &self.pace);
                PasswordCheck::Wrong
            }
            other => other?,
        };
        let Some(account) = account.filter(|_| check.is_correct()) else {
            return Err(invalid_grant("The username or the password is not right"));
        };
        if let (PasswordCheck::CorrectAndOutdated { new_hash }, Some(old)) =
            (&check, &account.password_hash)
        {
            let stored = self.accounts.replace_password_hash(&account.subject, old, new_hash).await;
            // The old hash is good enough for another time.
            if let Err(error) = stored {
                trace::accounts_unavailable(&error, &self.pace);
            }
        }
        let mut sign_in = SignIn::now(&*account.subject).begun_at(began);
        if let Some(client_id) = client_id {
            sign_in = sign_in.with_client_id(client_id);
        }
        let user_agent = || parts.headers.get(USER_AGENT)?.to_str().ok();
        if let Some(device) = form.get("device").or_else(user_agent) {
            sign_in = sign_in.with_device(device);
        }
        let tokens = self.sessions.begin(sign_in).await?;
        let signed_in = self.respond(&tokens, &account, keep.as_ref()).await;
        let session = &tokens.session;
        let replaced =
            keep.as_ref().and_then(|cookies| cookies.refresh_token(&parts).ok().flatten());
        if signed_in.is_err() {
            // The client has got no token of this session.
            drop(self.sessions.end(&session.id, &session.subject).await);
        } else if let Some(token) = replaced {
            // The browser forgets the tokens of the session that it had.
            drop(self.sessions.end_by_token(token).await);
        }
        signed_in
    }

    async fn refresh<B: Body>(&self, request: Request<B>) -> Answer {
        let known = ["refresh_token", "client_id", "grant_type"];
        let (parts, body) = head_of_post(request)?;
        let in_cookie = self.refresh_cookie(&parts)?;
        let form = read_input(&parts, body, &known).await?;
        expect_grant(&form, "refresh_token")?;
        let (token, keep) = refresh_token(in_cookie, &form)?;
        let refreshed = match self.refreshed(token, form.get("client_id")).await {
            Ok((tokens, account)) => self.respond(&tokens, &account, keep).await,
            Err(refusal) => Err(refusal),
        };
        refreshed.map_err(|refusal| match keep {
            // The browser would send them again each time.
            Some(cookies) if refusal.is_final() => {
                refusal.with_headers(|headers| cookies.clear(headers))
            }
            _ => refusal,
        })
    }

    async fn refreshed(
        &self,
        token: &str,
        client_id: Option<&str>,
    ) -> Result<(SessionTokens, Account), Refusal> {
        let tokens = self.sessions.refresh(token, client_id).await?;
        let session = &tokens.session;
        // The token is exchanged already. If this fails, the client sends the old one again, and
        // gets the same successor.
        match self.accounts.find(AccountKey::Subject(&session.subject)).await? {
            Some(account) if account.subject == session.subject => Ok((tokens, account)),
            _ => {
                self.sessions.end(&session.id, &session.subject).await?;
                Err(invalid_grant("The user cannot sign in any more"))
            }
        }
    }

    async fn sign_out<B: Body>(&self, request: Request<B>) -> Answer {
        let (parts, body) = head_of_post(request)?;
        let in_cookie = self.refresh_cookie(&parts)?;
        let form = read_input(&parts, body, &["refresh_token"]).await?;
        if in_cookie.is_none()
            && form.get("refresh_token").is_none()
            && self.has_access_cookie(&parts)
        {
            // The session has expired, and the browser has forgotten its refresh token.
            return Ok(signed_out(self.cookies.as_ref()));
        }
        let (token, keep) = refresh_token(in_cookie, &form)?;
        match self.sessions.end_by_token(token).await {
            // RFC 7009 §2.2: a token that is not good is no error.
            Ok(_) | Err(SessionError::UnknownToken) => Ok(signed_out(keep)),
            Err(error) => Err(error.into()),
        }
    }

    async fn sign_out_everywhere(&self, request: &Parts) -> Answer {
        expect_method(request, &Method::POST, "POST")?;
        let user = User::of(request, self.sessions.issuer())?;
        self.sessions.end_all(user.subject).await?;
        Ok(signed_out(self.cookies.as_ref()))
    }

    async fn list(&self, request: &Parts) -> Answer {
        if request.method != Method::HEAD {
            expect_method(request, &Method::GET, "GET, HEAD")?;
        }
        let user = User::of(request, self.sessions.issuer())?;
        let sessions = self.sessions.list(user.subject).await?;
        let sessions = sessions.iter().map(|session| Listed::new(session, user.session));
        Ok(json_answer(&sessions.collect::<Vec<_>>()))
    }

    async fn end(&self, request: &Parts) -> Answer {
        expect_method(request, &Method::DELETE, "DELETE")?;
        let user = User::of(request, self.sessions.issuer())?;
        let id = request.uri.path().rsplit('/').next().unwrap_or_default();
        if self.sessions.end(id, user.subject).await?.is_none() {
            let description = "The user has no such session";
            return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", description));
        }
        let was_this = user.session == Some(id);
        Ok(signed_out(self.cookies.as_ref().filter(|_| was_this)))
    }

    async fn change_password<B: Body>(&self, request: Request<B>) -> Answer {
        let (parts, body) = head_of_post(request)?;
        let user = User::of(&parts, self.sessions.issuer())?;
        let form = read_input(&parts, body, &["current", "new"]).await?;
        let current = form.get("current");
        let current =
            current.ok_or_else(|| Refusal::invalid_request("There is no current password"))?;
        let new = form.get("new");
        let new = new.ok_or_else(|| Refusal::invalid_request("There is no new password"))?;
        if let Some(throttle) = &self.throttle {
            let (username, is_password_change) = (user.subject, true);
            let attempt = SignInAttempt { username, is_password_change, request: &parts };
            throttle(attempt).map_err(Refusal::too_many)?;
        }
        let account = self.accounts.find(AccountKey::Subject(user.subject)).await?;
        let hash = account.and_then(|account| account.password_hash);
        let hash = hash.as_ref().map(|hash| hash.as_str());
        let is_current = self.passwords.verify(current, hash).await?.is_correct();
        // The same request again, after the sessions could not be ended.
        let is_changed = !is_current && self.passwords.verify(new, hash).await?.is_correct();
        match hash {
            _ if is_changed => {}
            Some(old_hash) if is_current => {
                let new_hash = self.passwords.hash(new).await?;
                let replaced =
                    self.accounts.replace_password_hash(user.subject, old_hash, &new_hash).await?;
                if !replaced {
                    let description =
                        "The password was not changed, as another request has changed it";
                    return Err(Refusal::new(StatusCode::CONFLICT, "conflict", description));
                }
            }
            _ => {
                let description = "The current password is not right";
                return Err(Refusal::new(StatusCode::FORBIDDEN, INVALID_GRANT, description));
            }
        }
        match user.session {
            Some(session) => self.sessions.end_others(user.subject, session).await?,
            None => self.sessions.end_all(user.subject).await?,
        };
        Ok(answer(StatusCode::NO_CONTENT))
    }

    /// Returns the cookies to keep tokens in, if the client wants that.
    fn keep(&self, form: &Form) -> Result<Option<Cookies>, Refusal> {
        match (form.get("keep"), &self.cookies) {
            (None, _) => Ok(None),
            (Some("cookies"), Some(cookies)) => Ok(Some(cookies.clone())),
            (Some("cookies"), None) => {
                Err(Refusal::invalid_request("Tokens are not kept in cookies here"))
            }
            (Some(_), _) => Err(Refusal::invalid_request("`keep` is not `cookies`")),
        }
    }

    /// Finds the refresh token in its cookie, before the body is read: a request of another site is refused for that,
    /// whatever it sends. A client that sends the token in the body has no cookie, and is not checked for it.
    fn refresh_cookie<'r>(&'r self, parts: &'r Parts) -> Result<Option<InCookie<'r>>, Refusal> {
        let Some(cookies) = &self.cookies else { return Ok(None) };
        Ok(cookies.refresh_token(parts)?.map(|token| (token, cookies)))
    }

    fn has_access_cookie(&self, parts: &Parts) -> bool {
        let source = self.cookies.as_ref().map(Cookies::source);
        source.is_some_and(|source| matches!(source.find(parts), Ok(Some(_))))
    }

    /// Answers with the tokens of a session (RFC 6749 §5.1), or sets them as cookies.
    async fn respond(
        &self,
        tokens: &SessionTokens,
        account: &Account,
        keep: Option<&Cookies>,
    ) -> Answer {
        let access = self.access_token(&tokens.session, account).await?;
        let expires_in = access.expires_in().as_secs();
        let refresh = tokens.refresh_token.as_str();
        let Some(cookies) = keep else {
            let mut body = json!({
                "access_token": access.as_str(),
                "token_type": "Bearer",
                "expires_in": expires_in,
                "refresh_token": refresh,
            });
            if !account.scopes.is_empty() {
                body["scope"] = account.scopes.join(" ").into();
            }
            return Ok(json_answer(&body));
        };
        let stays = tokens.session.due().duration_since(self.sessions.now()).unwrap_or_default();
        let mut response = json_answer(&json!({ "expires_in": expires_in }));
        let access = (access.as_str(), access.expires_in());
        match cookies.set(response.headers_mut(), access, Some((refresh, stays))) {
            Ok(()) => Ok(response),
            Err(error) => {
                trace::no_token_issued(&error, &self.pace);
                Err(Refusal::internal())
            }
        }
    }

    async fn access_token(
        &self,
        session: &Session,
        account: &Account,
    ) -> Result<IssuedToken, Refusal> {
        let mut request = self.sessions.access_token(session);
        if !account.roles.is_empty() {
            request = request.with_roles(account.roles.iter().cloned());
        }
        if !account.scopes.is_empty() {
            request = request.with_scopes(account.scopes.iter().cloned());
        }
        match &account.claims {
            Some(Ok(claims)) => request = request.with_claims(claims),
            Some(Err(problem)) => {
                trace::no_token_issued(&SentenceError(problem.clone()), &self.pace);
                return Err(Refusal::internal());
            }
            None => {}
        }
        request.issue_async().await.map_err(|error| match error {
            // It was ended meanwhile, or ends within a second.
            IssueError::Revoked { wait: None } | IssueError::LifetimeTooShort => {
                invalid_grant("The session has ended")
            }
            IssueError::Revoked { wait: Some(wait) } => Refusal::unavailable(wait),
            error => {
                trace::no_token_issued(&error, &self.pace);
                Refusal::internal()
            }
        })
    }
}

fn signed_out(cookies: Option<&Cookies>) -> Response<ServiceBody> {
    let mut response = answer(StatusCode::NO_CONTENT);
    if let Some(cookies) = cookies {
        cookies.clear(response.headers_mut());
    }
    response
}

/// Drops the body, which these services do not read.
fn head<B>(request: Request<B>) -> Parts {
    request.into_parts().0
}

/// A refresh token in a cookie, and the cookies for the next one.
type InCookie<'r> = (&'r str, &'r Cookies);

/// Finds the refresh token in the body or in its cookie. Returns the cookies if it was there.
fn refresh_token<'r>(
    in_cookie: Option<InCookie<'r>>,
    form: &'r Form,
) -> Result<(&'r str, Option<&'r Cookies>), Refusal> {
    match (form.get("refresh_token"), in_cookie) {
        (Some(token), None) => Ok((token, None)),
        (None, Some((token, cookies))) => Ok((token, Some(cookies))),
        (Some(_), Some(_)) => {
            Err(Refusal::invalid_request("There is a refresh token in the body and in a cookie"))
        }
        (None, None) => Err(Refusal::invalid_request("There is no refresh token")),
    }
}

fn expect_method(request: &Parts, method: &Method, allow: &'static str) -> Result<(), Refusal> {
    if request.method == *method { Ok(()) } else { Err(Refusal::method_not_allowed(allow)) }
}

/// RFC 6749 §4.3.2 and §6: a client of OAuth says which grant it means.
fn expect_grant(form: &Form, grant: &str) -> Result<(), Refusal> {
    match form.get("grant_type") {
        Some(other) if other != grant => {
            let description = "This is not the endpoint for that grant";
            Err(Refusal::bad_request("unsupported_grant_type", description))
        }
        _ => Ok(()),
    }
}

fn json_answer(body: &impl Serialize) -> Response<ServiceBody> {
    let mut response = answer(StatusCode::OK);
    let json = serde_json::to_vec(body).expect("string keys and JSON values");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = ServiceBody::new(json);
    response
}

const MAX_USERNAME_BYTES: usize = 1024;
