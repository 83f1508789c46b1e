//! Checks the proof of a request.
//!
//! The checks stand in the order of what they cost here: a proof that is wrong in a cheap way is
//! refused before its key is parsed and its signature verified. A proof is remembered after all
//! else, so that no client can fill the memory with proofs that are not accepted.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL};
use http::{HeaderMap, HeaderName, HeaderValue, request};

use super::fault::{invalid, other_key};
use super::key::{ProofHeader, ProofKey, SentKey};
use super::proof::{Buffer, Proof, ProofClaims};
use super::settings::Dpop;
use crate::binding::{Binding, BindingVerdict, Proved};
use crate::challenge::AuthScheme;
use crate::claims::{Confirmation, ConfirmationMethod, NumericDate, Principal};
use crate::clock::Moment;
use crate::error::{AuthError, Reason, ReplaysUnavailable, shown};
use crate::jose::crypto;
use crate::state::replay::{ProofId, ProofUse, ReplayCheck};
use crate::verify::presented::Presented;

impl Dpop {
    /// Returns the thumbprint of the key that the token is bound to. `None` for a bearer token that
    /// needs no proof.
    fn needed_key<'p>(
        &self,
        presented: Presented<'_>,
        principal: &'p Principal,
    ) -> Result<Option<&'p str>, AuthError> {
        let thumbprint = principal.confirmation().and_then(Confirmation::jwk_thumbprint);
        match (thumbprint, presented.scheme() == AuthScheme::DPOP) {
            (Some(thumbprint), true) => Ok(Some(thumbprint)),
            // RFC 9449 §7.2: such a token is never accepted as a bearer token.
            (Some(_), false) => Err(AuthError::with_detail(Reason::BoundToken, SENT_AS_BEARER)),
            (None, true) => Err(AuthError::with_detail(Reason::UnboundToken, NOT_BOUND)),
            (None, false) if self.bearer_allowed => Ok(None),
            (None, false) => Err(AuthError::with_detail(Reason::UnboundToken, BINDING_NEEDED)),
        }
    }

    /// Makes all checks of a proof but the one whether it was used before.
    fn verify(
        &self,
        request: &request::Parts,
        bound: Option<BoundToken<'_>>,
    ) -> Result<VerifiedProof, AuthError> {
        let proof = Proof::parse(proof_in(&request.headers)?)?;
        let [mut buffer, mut header_buffer] = [const { Buffer::new() }; 2];
        let key = if let Some(key) = self.keys.find(proof.header()) {
            SentKey::Known(key)
        } else {
            let buffer = &mut header_buffer;
            SentKey::New(ProofHeader::read(proof.header(), buffer, &self.algorithms)?)
        };
        // Before the claims are read: to hash the members of a key costs less.
        if bound.is_some_and(|bound| key.is_surely_not(bound.thumbprint)) {
            return Err(other_key());
        }
        let claims = proof.claims(&mut buffer)?;

        if *claims.method != *request.method.as_str() {
            return Err(AuthError::with_detail(
                Reason::ProofForOtherRequest,
                format!(
                    "`htm` is \"{}\", and the method {}",
                    shown(&claims.method),
                    request.method
                ),
            ));
        }
        self.check_uri(request, &claims)?;
        let is_nonce_current = self.check_nonce(&claims)?;
        self.check_dates(&claims)?;
        if let Some(bound) = bound {
            check_token(&claims, bound.token)?;
        }
        let key = key.into_key(bound.map(|bound| bound.thumbprint))?;
        if !key.is_allowed(&self.algorithms) {
            return Err(invalid("`alg` is not allowed"));
        }
        if !key.has_signed(&proof) {
            return Err(invalid("the signature is wrong"));
        }
        // Those of strangers, who need no token for a token endpoint, are not kept.
        if bound.is_some() {
            self.keys.remember(proof.header(), &key);
        }
        let id = proof_id(&key, &claims)?;
        Ok(VerifiedProof { key, id, is_nonce_current })
    }

    fn check_uri(
        &self,
        request: &request::Parts,
        claims: &ProofClaims<'_>,
    ) -> Result<(), AuthError> {
        let original = self.original_uri.and_then(|find| find(&request.extensions));
        let path = original.unwrap_or(&request.uri).path();
        // RFC 9449 §4.3: query and fragment are ignored.
        let htu = &claims.uri[..claims.uri.find(['?', '#']).unwrap_or(claims.uri.len())];
        if self.urls.iter().any(|url| url.is_for(path, htu)) {
            return Ok(());
        }
        let (origin, path) = match self.urls.first() {
            Some(url) => (url.as_str(), shown(path)),
            None => Default::default(),
        };
        let hint = if self.original_uri.is_none() { PREFIX_HINT } else { "" };
        let detail = format!(
            "`htu` is \"{}\", and the request is for \"{origin}{path}\"{hint}",
            shown(htu.rsplit_once('@').map_or(htu, |(_, host)| host)),
        );
        Err(AuthError::with_detail(Reason::ProofForOtherRequest, detail))
    }

    /// Checks the nonce, and returns whether it is the newest one.
    fn check_nonce(&self, claims: &ProofClaims<'_>) -> Result<bool, AuthError> {
        let Some(nonces) = &self.nonces else { return Ok(true) };
        let detail = match &claims.nonce {
            None => "the proof has no `nonce`",
            Some(nonce) => match nonces.check(nonce, &self.time) {
                Some(is_current) => return Ok(is_current),
                None => "`nonce` is old, or not of this server",
            },
        };
        Err(AuthError::with_detail(Reason::NonceNeeded, detail))
    }

    fn check_dates(&self, claims: &ProofClaims<'_>) -> Result<(), AuthError> {
        let now = NumericDate::from(self.time.now());
        let stale = |name: &str, date: NumericDate| {
            let (date, now) = (date.as_seconds(), now.as_seconds());
            let detail = format!("`{name}` is {date}, and now is {now}");
            Err(AuthError::with_detail(Reason::StaleProof, detail))
        };
        // RFC 9449 §4.3: the time of the nonce counts in place of the client's clock.
        let made = claims.issued_at;
        if self.nonces.is_none()
            && (made > now.saturating_add(self.max_ahead)
                || made.saturating_add(self.lifetime) <= now)
        {
            return stale("iat", made);
        }
        // RFC 7519 §4.1: claims that need not be there, but count if they are.
        match (claims.expires_at, claims.not_before) {
            _ if self.nonces.is_some() => Ok(()),
            (Some(end), _) if end.saturating_add(self.max_ahead) <= now => stale("exp", end),
            (_, Some(start)) if start > now.saturating_add(self.max_ahead) => stale("nbf", start),
            _ => Ok(()),
        }
    }

    /// Returns for how long a used proof is remembered: as long as it could be accepted again, and longer, because
    /// clocks of nodes differ and a store may answer late.
    fn window(&self) -> Duration {
        let window = match &self.nonces {
            Some(nonces) => nonces.window(),
            None => self.lifetime.saturating_add(self.max_ahead),
        };
        window.saturating_add(MARGIN)
    }

    /// Returns the fields that tell a client the nonce of its next proof.
    fn nonce_fields(&self) -> Option<[(HeaderName, HeaderValue); 3]> {
        let nonce = self.nonces.as_ref()?.current(&self.time);
        Some([
            (DPOP_NONCE, nonce),
            // RFC 9449 §8: an old nonce from a cache is of no use.
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("DPoP-Nonce, WWW-Authenticate"),
            ),
        ])
    }

    fn judge(
        &self,
        request: &request::Parts,
        presented: Presented<'_>,
        principal: &Principal,
    ) -> Result<BindingVerdict, AuthError> {
        let Some(thumbprint) = self.needed_key(presented, principal)? else {
            return Ok(BindingVerdict::NotApplicable);
        };
        let bound = BoundToken { token: presented.token(), thumbprint };
        let verified = self.verify(request, Some(bound)).map_err(|error| self.with_nonce(error))?;
        let VerifiedProof { id, is_nonce_current, .. } = verified;
        let fields = || self.nonce_fields().into_iter().flatten();
        let mut proved = Proved::by(ConfirmationMethod::Dpop);
        if !is_nonce_current {
            proved = fields()
                .fold(proved, |proved, (name, value)| proved.with_response_field(name, value));
        }
        match self.replays.remember(id, self.window()) {
            ReplayCheck::Done(answer) => match once(answer) {
                Ok(()) => Ok(BindingVerdict::Proved(proved)),
                Err(error) => Err(self.with_nonce(error)),
            },
            ReplayCheck::Pending(answer) => {
                let (began, fields) = (Moment::now(), fields().collect::<Vec<_>>());
                let pending = Box::pin(async move {
                    let answer = once(answer.await).and_then(|()| in_time(began));
                    answer.map_err(|error| with_fields(error, fields))
                });
                Ok(BindingVerdict::Pending(proved, pending))
            }
        }
    }

    /// Tells the client the nonce of its next proof.
    pub(crate) fn with_nonce(&self, error: AuthError) -> AuthError {
        with_fields(error, self.nonce_fields().into_iter().flatten())
    }

    /// Checks the proof that a client sends to a token endpoint, to bind a token to its key (RFC 9449 §5). Returns the
    /// thumbprint of the key, for [`TokenRequest::with_key_thumbprint`](crate::issue::TokenRequest::with_key_thumbprint), or
    /// `None` for a request without a proof. The public URL is that of the endpoint's server.
    ///
    /// The proof is remembered as used. Call this when the client or user is known to be the one it says: otherwise
    /// strangers fill the store.
    ///
    /// # Errors
    ///
    /// [`AuthError`] for a proof that is refused. A token endpoint answers 400 with the
    /// [code](crate::error::Reason::code) of its reason, and with its [fields](AuthError::response_fields), among which
    /// the nonce is.
    pub async fn thumbprint_of(
        &self,
        request: &request::Parts,
    ) -> Result<Option<String>, AuthError> {
        match self.unused_proof(request)? {
            Some(proof) => self.use_up(proof).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes all checks of a proof for a token endpoint but the one whether it was used before.
    pub(crate) fn unused_proof(
        &self,
        request: &request::Parts,
    ) -> Result<Option<UnusedProof>, AuthError> {
        if !request.headers.contains_key(DPOP) {
            return Ok(None);
        }
        let verified = self.verify(request, None).map_err(|error| self.with_nonce(error))?;
        Ok(Some(UnusedProof(verified)))
    }

    /// Uses a proof, and returns the thumbprint of its key.
    pub(crate) async fn use_up(
        &self,
        UnusedProof(VerifiedProof { key, id, .. }): UnusedProof,
    ) -> Result<String, AuthError> {
        let began = Moment::now();
        let answer = match self.replays.remember(id, self.window()) {
            ReplayCheck::Done(answer) => answer,
            ReplayCheck::Pending(answer) => answer.await,
        };
        let once = once(answer).and_then(|()| in_time(began));
        once.map(|()| key.thumbprint().to_owned()).map_err(|error| self.with_nonce(error))
    }
}

/// A proof for a token endpoint that passes all checks, and was not used.
pub(crate) struct UnusedProof(VerifiedProof);

impl UnusedProof {
    /// Returns the thumbprint of its key.
    #[cfg(feature = "sign-in")]
    pub(crate) fn thumbprint(&self) -> &str {
        self.0.key.thumbprint()
    }
}

fn with_fields(
    error: AuthError,
    fields: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> AuthError {
    fields.into_iter().fold(error, |error, (name, value)| error.with_response_field(name, value))
}

/// The token of a request, and the thumbprint of the key that it is bound to.
#[derive(Clone, Copy)]
struct BoundToken<'r> {
    token: &'r [u8],
    thumbprint: &'r str,
}

/// A proof that passes all checks but the one whether it was used before.
struct VerifiedProof {
    key: Arc<ProofKey>,
    id: ProofId,
    /// Whether the client need not be told another nonce.
    is_nonce_current: bool,
}

impl Binding for Dpop {
    fn check(
        &self,
        request: &request::Parts,
        presented: Presented<'_>,
        principal: &Principal,
    ) -> BindingVerdict {
        self.judge(request, presented, principal).unwrap_or_else(BindingVerdict::Refused)
    }
}

/// Returns the only `DPoP` field.
fn proof_in(headers: &HeaderMap) -> Result<&HeaderValue, AuthError> {
    let mut fields = headers.get_all(DPOP).iter();
    match (fields.next(), fields.next()) {
        (Some(proof), None) => Ok(proof),
        (None, _) => Err(Reason::MissingProof.into()),
        (Some(_), Some(_)) => Err(invalid("there are several `DPoP` fields")),
    }
}

/// RFC 9449 §4.3: `ath` is the hash of the token that was sent.
fn check_token(claims: &ProofClaims<'_>, token: &[u8]) -> Result<(), AuthError> {
    let hash = crypto::sha256(token).ok_or_else(|| invalid("there is no back end"))?;
    let mut expected = [0; 43];
    let written = URL_SAFE_NO_PAD.encode_slice(hash, &mut expected);
    match &claims.token_hash {
        Some(found) if written == Ok(43) && found.as_bytes() == expected => Ok(()),
        Some(_) => Err(invalid("`ath` is the hash of another token")),
        None => Err(invalid("there is no `ath`")),
    }
}

/// Names a proof by its key, its `htu` and its `jti`, which the key has signed: another spelling of the URI is another
/// proof.
fn proof_id(key: &ProofKey, claims: &ProofClaims<'_>) -> Result<ProofId, AuthError> {
    // A thumbprint has a fixed length, and the length of the URI tells where `jti` begins.
    let uri_length = claims.uri.len().to_string();
    let name = [key.thumbprint(), &uri_length, "\n", &claims.uri, &claims.id].concat();
    let hash = crypto::sha256(name.as_bytes()).ok_or_else(|| invalid("there is no back end"))?;
    let (id, _) = hash.split_first_chunk().ok_or_else(|| invalid("there is no hash"))?;
    Ok(ProofId::from_bytes(*id))
}

/// The store may have forgotten the proof before it looked.
fn in_time(began: Moment) -> Result<(), AuthError> {
    if Moment::now().since(began) < MARGIN {
        return Ok(());
    }
    Err(AuthError::with_detail(Reason::StaleProof, TOO_LATE))
}

fn once(answer: Result<ProofUse, ReplaysUnavailable>) -> Result<(), AuthError> {
    match answer? {
        ProofUse::First => Ok(()),
        ProofUse::Replayed => Err(Reason::ReplayedProof.into()),
    }
}

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
const SENT_AS_BEARER: &str =
    "the token is bound to a key for DPoP, and was not sent under the scheme `DPoP`";
const NOT_BOUND: &str = "the token was sent under the scheme `DPoP`, and has no `cnf.jkt`";
const BINDING_NEEDED: &str = "the token has no `cnf.jkt`, and this layer requires DPoP";
const PREFIX_HINT: &str =
    "; if a router has taken a prefix off the path, see `Dpop::with_original_uri`";
const TOO_LATE: &str = "the store of used proofs has answered too late";
/// How much longer a proof is remembered than it could be used.
const MARGIN: Duration = Duration::from_secs(30);
