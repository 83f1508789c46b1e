//! Carries out the operations of the services.

use http::header::USER_AGENT;
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::json;

use super::accounts::{Account, AccountKey};
use super::attempt::SignInAttempt;
use super::desk::{Desk, Operation};
use super::input::{Sent, read_input};
use super::keep::{Keep, Place};
use super::proof::{ClientKey, SentProof};
use super::refusal::{INVALID_GRANT, SentenceError, invalid_grant};
use super::user::{Listed, User};
use crate::middleware::cookies::Cookies;
use crate::middleware::source::TokenSource as _;
use crate::observe::trace;
use crate::server::body::ServiceBody;
use crate::server::endpoints::answer::{Answer, Refusal, answer, json_answer};
use crate::server::endpoints::form::Form;
use crate::server::endpoints::request::segment;
use crate::server::issue::{IssueError, IssuedToken};
use crate::server::password::{PasswordCheck, PasswordError};
use crate::server::session::{SessionError, SessionTokens, SignIn};
use crate::state::session::Session;

impl Desk {
    /// Carries out an operation. `sent` is the body, for those that read it.
    pub(super) async fn answer(&self, operation: Operation, request: &Parts, sent: Sent) -> Answer {
        expect_method(request, operation)?;
        match operation {
            Operation::SignIn => self.sign_in(request, sent).await,
            Operation::Refresh => self.refresh(request, sent).await,
            Operation::SignOut => self.sign_out(request, sent).await,
            Operation::SignOutEverywhere => self.sign_out_everywhere(request).await,
            Operation::ListSessions => self.list(request).await,
            Operation::EndSession => self.end(request).await,
            Operation::ChangePassword => self.change_password(request, sent).await,
        }
    }

    async fn sign_in(&self, parts: &Parts, sent: Sent) -> Answer {
        let known = ["username", "password", "keep", "device", "client_id", "grant_type"];
        let form = read_input(parts, sent, &known)?;
        expect_grant(&form, "password")?;
        let client_id = form.get("client_id");
        if client_id.is_some_and(|client_id| !self.clients.iter().any(|known| known == client_id)) {
            return Err(Refusal::invalid_request("The client is not known here"));
        }
        let place = self.place(keep(&form)?, parts)?;
        let username = form.get("username");
        let username = username.ok_or_else(|| Refusal::invalid_request("There is no username"))?;
        let password = form.get("password");
        let password = password.ok_or_else(|| Refusal::invalid_request("There is no password"))?;
        if username.len() > MAX_USERNAME_BYTES {
            return Err(Refusal::invalid_request("The username is longer than 1 KiB"));
        }
        let attempt = SignInAttempt { username, is_password_change: false, request: parts };
        self.throttled(attempt)?;
        let proof = self.proof(parts, place)?;
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
        self.tell_outcome(attempt, check.is_correct());
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
        let began = Began { sign_in, proof, place };
        self.begin(began, &account, form.get("device"), parts).await
    }

    /// Signs in a user who has proved by other means to be the subject.
    pub(super) async fn sign_in_as(
        &self,
        subject: &str,
        keep: Keep,
        device: Option<&str>,
        parts: &Parts,
    ) -> Answer {
        let place = self.place(keep, parts)?;
        let proof = self.proof(parts, place)?;
        let began = self.sessions.sign_in_begins();
        let account = self.accounts.find(AccountKey::Subject(subject)).await?;
        let account = account.filter(|account| account.subject == subject);
        let account = account.ok_or_else(|| invalid_grant("The user cannot sign in"))?;
        let sign_in = SignIn::now(subject).begun_at(began);
        self.begin(Began { sign_in, proof, place }, &account, device, parts).await
    }

    /// Begins the session of a sign-in, in place of the one that the browser has.
    async fn begin(
        &self,
        Began { mut sign_in, proof, place }: Began<'_>,
        account: &Account,
        device: Option<&str>,
        parts: &Parts,
    ) -> Answer {
        let user_agent = || parts.headers.get(USER_AGENT)?.to_str().ok();
        if let Some(device) = device.or_else(user_agent) {
            sign_in = sign_in.with_device(device);
        }
        // The password was right: strangers use up no proofs.
        let key = self.key_of(proof).await?;
        if let Some(key) = &key {
            sign_in = key.bind_session(sign_in);
        }
        let tokens = self.sessions.begin(sign_in).await?;
        let signed_in = self.respond(&tokens, account, key.as_ref(), place).await;
        if signed_in.is_err() {
            // The client has got no token of this session.
            let session = &tokens.session;
            drop(self.sessions.end(&session.id, &session.subject).await);
        } else if let Some(cookies) = place.cookies() {
            // The browser forgets the tokens of the session that it had.
            let replaced = [cookies.refresh_token(parts), cookies.refresh_only_token(parts)];
            for token in replaced.into_iter().flatten().flatten() {
                drop(self.sessions.end_by_token(token).await);
            }
        }
        signed_in
    }

    async fn refresh(&self, parts: &Parts, sent: Sent) -> Answer {
        let known = ["refresh_token", "client_id", "grant_type"];
        let in_cookie = self.refresh_cookie(parts)?;
        let form = read_input(parts, sent, &known)?;
        expect_grant(&form, "refresh_token")?;
        let (token, place) = refresh_token(in_cookie, &form)?;
        let refreshed = self.refreshed(token, form.get("client_id"), parts, place).await;
        refreshed.map_err(|refusal| match place.cookies() {
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
        parts: &Parts,
        place: Place<'_>,
    ) -> Answer {
        let proof = self.proof(parts, place)?;
        // Before the proof is used up, which strangers cannot cause then.
        self.sessions.recognises(token, proof.as_ref().map(SentProof::thumbprint))?;
        let key = self.key_of(proof).await?;
        let key_thumbprint = key.as_ref().map(ClientKey::thumbprint);
        let tokens = self.sessions.exchange(token, client_id, key_thumbprint).await?;
        let session = &tokens.session;
        // The token is exchanged already. If this fails, the client sends the old one again, and
        // gets the same successor.
        match self.accounts.find(AccountKey::Subject(&session.subject)).await? {
            Some(account) if account.subject == session.subject => {
                self.respond(&tokens, &account, key.as_ref(), place).await
            }
            _ => {
                self.sessions.end(&session.id, &session.subject).await?;
                Err(invalid_grant("The user cannot sign in any more"))
            }
        }
    }

    async fn sign_out(&self, parts: &Parts, sent: Sent) -> Answer {
        let [first, second] = self.refresh_cookies(parts)?;
        let form = read_input(parts, sent, &["refresh_token"])?;
        if first.is_none() && form.get("refresh_token").is_none() && self.has_access_cookie(parts) {
            // The session has expired, and the browser has forgotten its refresh token.
            return Ok(signed_out(self.cookies.as_ref()));
        }
        let (token, place) = refresh_token(first, &form)?;
        // A page may have set one of two cookies, to keep the user from signing out: both sessions end.
        for token in [Some(token), second.map(|(token, _)| token)].into_iter().flatten() {
            match self.sessions.end_by_token(token).await {
                // RFC 7009 §2.2: a token that is not good is no error.
                Ok(_) | Err(SessionError::UnknownToken) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(signed_out(place.cookies()))
    }

    async fn sign_out_everywhere(&self, request: &Parts) -> Answer {
        let user = User::of(request, self.sessions.issuer())?;
        self.sessions.end_all(user.subject).await?;
        Ok(signed_out(self.cookies.as_ref()))
    }

    async fn list(&self, request: &Parts) -> Answer {
        let user = User::of(request, self.sessions.issuer())?;
        let sessions = self.sessions.list(user.subject).await?;
        let sessions = sessions.iter().map(|session| Listed::new(session, user.session));
        Ok(json_answer(StatusCode::OK, &sessions.collect::<Vec<_>>()))
    }

    async fn end(&self, request: &Parts) -> Answer {
        let user = User::of(request, self.sessions.issuer())?;
        let id = segment(request, 0);
        if self.sessions.end(id, user.subject).await?.is_none() {
            let description = "The user has no such session";
            return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", description));
        }
        let was_this = user.session == Some(id);
        Ok(signed_out(self.cookies.as_ref().filter(|_| was_this)))
    }

    async fn change_password(&self, parts: &Parts, sent: Sent) -> Answer {
        let user = User::of(parts, self.sessions.issuer())?;
        let form = read_input(parts, sent, &["current", "new"])?;
        let current = form.get("current");
        let current =
            current.ok_or_else(|| Refusal::invalid_request("There is no current password"))?;
        let new = form.get("new");
        let new = new.ok_or_else(|| Refusal::invalid_request("There is no new password"))?;
        let attempt =
            SignInAttempt { username: user.subject, is_password_change: true, request: parts };
        self.throttled(attempt)?;
        let account = self.accounts.find(AccountKey::Subject(user.subject)).await?;
        let hash = account.and_then(|account| account.password_hash);
        let hash = hash.as_ref().map(|hash| hash.as_str());
        let is_current = self.passwords.verify(current, hash).await?.is_correct();
        // The same request again, after the sessions could not be ended.
        let is_changed = !is_current && {
            // It is a second guess for someone who does not know the password.
            self.throttled(attempt)?;
            self.passwords.verify(new, hash).await?.is_correct()
        };
        self.tell_outcome(attempt, is_current || is_changed);
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

    fn throttled(&self, attempt: SignInAttempt<'_>) -> Result<(), Refusal> {
        let Some(throttle) = &self.throttle else { return Ok(()) };
        throttle(attempt).map_err(Refusal::too_many)
    }

    fn tell_outcome(&self, attempt: SignInAttempt<'_>, is_correct: bool) {
        if let Some(on_outcome) = &self.on_outcome {
            on_outcome(attempt, is_correct);
        }
    }

    /// Returns the place for the tokens of a sign-in. With cookies, another site must not have caused the request: it
    /// could sign a browser in as its own user.
    fn place(&self, keep: Keep, parts: &Parts) -> Result<Place<'_>, Refusal> {
        let cookies = || {
            let cookies = self.cookies.as_ref();
            let cookies = cookies
                .ok_or_else(|| Refusal::invalid_request("Tokens are not kept in cookies here"))?;
            cookies.check(parts)?;
            Ok(cookies)
        };
        match keep {
            Keep::Client => Ok(Place::Body),
            Keep::RefreshCookie => cookies().map(Place::RefreshCookie),
            Keep::Cookies => cookies().map(Place::Cookies),
        }
    }

    /// Finds the refresh token in its cookie, before the body is looked at: a request of another site is refused for
    /// that, whatever it sends. A client that sends the token in the body has no cookie, and is not checked for it.
    ///
    /// The cookie decides where the next tokens go, and nothing else of the request: a script that was injected into
    /// a page would else ask for an access token in the body, which cookies keep from it.
    fn refresh_cookie<'r>(&'r self, parts: &'r Parts) -> Result<Option<InCookie<'r>>, Refusal> {
        match self.refresh_cookies(parts)? {
            [first, None] => Ok(first),
            _ => Err(Refusal::invalid_request("There are refresh tokens in two cookies")),
        }
    }

    /// Finds the refresh tokens in the cookies of both ways. A second is there only if a first is.
    fn refresh_cookies<'r>(
        &'r self,
        parts: &'r Parts,
    ) -> Result<[Option<InCookie<'r>>; 2], Refusal> {
        let Some(cookies) = &self.cookies else { return Ok([None, None]) };
        let usual = cookies.refresh_token(parts)?.map(|token| (token, Place::Cookies(cookies)));
        let alone = cookies.refresh_only_token(parts)?;
        let alone = alone.map(|token| (token, Place::RefreshCookie(cookies)));
        Ok(if usual.is_some() { [usual, alone] } else { [alone, None] })
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
        key: Option<&ClientKey>,
        place: Place<'_>,
    ) -> Answer {
        let access = self.access_token(&tokens.session, account, key).await?;
        let mut body = json!({ "expires_in": access.expires_in().as_secs() });
        if !matches!(place, Place::Cookies(_)) {
            body["access_token"] = access.as_str().into();
            // RFC 9449 §5: the type of a bound token.
            body["token_type"] = key.map_or("Bearer", |_| "DPoP").into();
            if !account.scopes.is_empty() {
                body["scope"] = account.scopes.join(" ").into();
            }
        }
        if let Place::Body = place {
            body["refresh_token"] = tokens.refresh_token.as_str().into();
        }
        let mut response = json_answer(StatusCode::OK, &body);
        let headers = response.headers_mut();
        let stays = tokens.session.due().duration_since(self.sessions.now()).unwrap_or_default();
        let refresh = (tokens.refresh_token.as_str(), stays);
        let set = match place {
            Place::Body => Ok(()),
            Place::RefreshCookie(cookies) => cookies.set_refresh_only(headers, refresh),
            Place::Cookies(cookies) => {
                cookies.set(headers, (access.as_str(), access.expires_in()), Some(refresh))
            }
        };
        match set {
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
        key: Option<&ClientKey>,
    ) -> Result<IssuedToken, Refusal> {
        let mut request = self.sessions.access_token(session);
        if let Some(key) = key {
            request = key.bind_token(request);
        }
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

/// A sign-in that begins a session, bound to the key of a proof if there is one, with the place for its tokens.
struct Began<'c> {
    sign_in: SignIn,
    proof: Option<SentProof>,
    place: Place<'c>,
}

fn signed_out(cookies: Option<&Cookies>) -> Response<ServiceBody> {
    let mut response = answer(StatusCode::NO_CONTENT);
    if let Some(cookies) = cookies {
        cookies.clear(response.headers_mut());
    }
    response
}

/// A refresh token in a cookie, and the place for the next one.
type InCookie<'r> = (&'r str, Place<'r>);

/// Finds the refresh token in the body or in its cookie. Returns the place for the next one.
fn refresh_token<'r>(
    in_cookie: Option<InCookie<'r>>,
    form: &'r Form,
) -> Result<(&'r str, Place<'r>), Refusal> {
    match (form.get("refresh_token"), in_cookie) {
        (Some(token), None) => Ok((token, Place::Body)),
        (None, Some(in_cookie)) => Ok(in_cookie),
        (Some(_), Some(_)) => {
            Err(Refusal::invalid_request("There is a refresh token in the body and in a cookie"))
        }
        (None, None) => Err(Refusal::invalid_request("There is no refresh token")),
    }
}

/// Returns the place that a sign-in wants for the tokens.
fn keep(form: &Form) -> Result<Keep, Refusal> {
    let Some(word) = form.get("keep") else { return Ok(Keep::Client) };
    let description = "`keep` is neither `cookies` nor `refresh-cookie`";
    Keep::from_word(word).ok_or_else(|| Refusal::invalid_request(description))
}

fn expect_method(request: &Parts, operation: Operation) -> Result<(), Refusal> {
    let (methods, allow) = operation.methods();
    let is_allowed = methods.contains(&request.method);
    if is_allowed { Ok(()) } else { Err(Refusal::method_not_allowed(allow)) }
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

const MAX_USERNAME_BYTES: usize = 1024;
