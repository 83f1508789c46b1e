//! Verifies tokens and reads their claims: this file is the order of the checks, and nothing else.

mod recall;
mod authenticate;
mod explain;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

pub(crate) use self::authenticate::is_from_elsewhere;
pub(crate) use self::recall::CachedToken;

use self::recall::{Epochs, Grounds, Origin};
use crate::challenge::{AuthScheme, ChallengeConfig};
use crate::claims::validation::{Kind, Rules, Validation};
use crate::claims::{Footprint, Layer, PrincipalBuilder, Verified};
use crate::clock::{Clock, Time};
use crate::config_error::ConfigError;
use crate::error::{AuthError, KeysUnavailable, Reason, shown};
use crate::jose::{Algorithm, DEFAULT_MAX_TOKEN_BYTES, Family, Header, HeaderCache};
#[cfg(feature = "jwe")]
use crate::keys::DecryptionKeys;
use crate::keys::{KeySource, Lookup};
#[cfg(feature = "active-check")]
use crate::state::active_check::ActiveCheck;
use crate::state::active_check::OptionalCheck;
use crate::state::revocation::{self, Revocations};
use crate::verify::authenticator::ConfiguredAuthenticator;
use crate::verify::cache::{Bounds, Cache, CacheStats};
use crate::verify::compact::{Buffer, Compact, VerifiedJws};
use crate::verify::decryption::{OptionalDecryption, Received};
use crate::verify::issuers::{Chosen, IssuerEntry, IssuerSet, Issuers};
use crate::verify::presented::{Presented, TokenText};

/// Verifies tokens and reads their claims into `C`.
///
/// A verifier does not depend on HTTP: give it to a [`BearerLayer`](crate::BearerLayer), or call it
/// directly for tokens from elsewhere. Cloning is cheap.
///
/// ```
/// # use serde::Deserialize;
/// # use tower_bearer::keys::VerifyingKey;
/// # use tower_bearer::{Algorithm, Validation, Verifier};
/// #[derive(Deserialize)]
/// struct User {
///     email: Option<String>,
/// }
///
/// let key = VerifyingKey::from_secret(Algorithm::HS256, "at least 32 bytes of randomness, please")?;
/// let verifier = Verifier::<User>::new(
///     key,
///     Validation::new("https://id.example.com", "https://api.example.com"),
/// )?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// `C` is any type that serde can read from the claims. If a token lacks a claim that `C` requires,
/// the answer is 403 with a line in the log, since the token itself is good.
pub struct Verifier<C> {
    trust: IssuerSet,
    kind: Kind,
    decryption: OptionalDecryption,
    revocations: Option<Arc<dyn Revocations>>,
    active: OptionalCheck,
    time: Time,
    max_token_bytes: usize,
    headers: Arc<HeaderCache>,
    cache: Option<Arc<Cache<CachedToken<C>>>>,
    /// The layer that it works for.
    layer: Layer,
    /// Whether the cache tells schemes apart.
    names_have_schemes: bool,
}

/// The result of a verification without waiting.
pub(crate) enum Attempt<C> {
    /// The token was verified.
    Accepted(CachedToken<C>),
    Refused(AuthError),
    /// The verification has to wait: call [`Verifier::verify_after`].
    Waits(Pending<C>),
}

/// The result of a look into the cache. It is small, since it is the result of most requests.
pub(crate) enum Recalled<C> {
    Good(Verified<C>),
    Refused(AuthError),
    /// The subject of the token has to be asked about: call [`Verifier::verify_after`].
    Waits(Box<Pending<C>>),
}

/// A verification without a layer, which may have to wait.
enum StartedVerification<'v, C> {
    Done(Result<Verified<C>, AuthError>),
    Waits(Pin<Box<dyn Future<Output = Result<Verified<C>, AuthError>> + Send + 'v>>),
}

/// A token, and the reason for which it waits.
pub(crate) struct Pending<C> {
    scheme: AuthScheme,
    token: Zeroizing<String>,
    need: Need<C>,
    /// Decides about the token if it turns out to be from elsewhere.
    fallback: Option<ConfiguredAuthenticator>,
}

enum Need<C> {
    /// The keys for this token.
    Keys,
    /// The answer whether its subject is still active. All else is good.
    Answer(CachedToken<C>),
    /// The decision of this authenticator.
    Decision(ConfiguredAuthenticator),
}

impl<C> Pending<C> {
    fn of(token: TokenText<'_>, need: Need<C>) -> Self {
        let TokenText { scheme, text } = token;
        Self { scheme, token: Zeroizing::new(text.to_owned()), need, fallback: None }
    }

    /// Waits although all is good, for another reason than the token.
    pub(crate) fn accepted(token: TokenText<'_>, remembered: CachedToken<C>) -> Self {
        Self::of(token, Need::Answer(remembered))
    }

    /// Waits for the decision of this authenticator.
    pub(crate) fn decision(token: TokenText<'_>, authenticator: &ConfiguredAuthenticator) -> Self {
        Self::of(token, Need::Decision(authenticator.clone()))
    }

    /// Lets this authenticator decide about a token that turns out to be from elsewhere.
    pub(crate) fn or_else(mut self, fallback: Option<&ConfiguredAuthenticator>) -> Self {
        self.fallback = fallback.cloned();
        self
    }
}

impl<C> Verifier<C> {
    /// Creates a verifier with these keys and rules.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a rule of the validation is invalid: an issuer or audience that is
    /// empty or has a placeholder in it, an empty list of algorithms, a leeway above 5 minutes, an
    /// impossible path to roles or scopes.
    pub fn new(keys: impl KeySource, validation: Validation) -> Result<Self, ConfigError> {
        Ok(Self::with_trust(IssuerSet::One(Arc::new(IssuerEntry::new(keys, validation)?))))
    }

    /// Creates a verifier for several issuers, which can be added and removed later.
    pub fn multi_issuer(issuers: &Issuers) -> Self {
        Self::with_trust(IssuerSet::Several(issuers.clone()))
    }

    fn with_trust(trust: IssuerSet) -> Self {
        Self {
            trust,
            kind: Kind::Access,
            decryption: OptionalDecryption::default(),
            revocations: None,
            active: OptionalCheck::default(),
            time: Time::OfSystem,
            max_token_bytes: DEFAULT_MAX_TOKEN_BYTES,
            headers: Arc::default(),
            cache: Some(Arc::new(Cache::new(Bounds::default()))),
            layer: None,
            names_have_schemes: false,
        }
    }

    /// Refuses the tokens that this view knows as revoked, from the next token on.
    ///
    /// The view is asked about every token whose signature and claims are good. Several verifiers
    /// can share one view. A second call replaces the first: to ask two views, pass them as a
    /// tuple.
    ///
    /// Tokens that lack a claim by which they could be revoked are refused too: see
    /// [`RevocationKinds`](crate::revocation::RevocationKinds).
    #[must_use]
    pub fn with_revocations(mut self, revocations: impl Revocations) -> Self {
        self.revocations = Some(Arc::new(revocations));
        self.with_empty_cache()
    }

    /// Decrypts tokens that are encrypted for one of these keys (JWE, RFC 7516), and verifies the signed token inside by
    /// all rules that count for others. Tokens that are not encrypted are accepted as before, unless
    /// [`with_required_encryption`](Self::with_required_encryption) is set.
    ///
    /// The header of the encrypted token must have `"cty": "JWT"` (RFC 7519 §5.2), so that claims without a signature are
    /// not mistaken for a token. If it repeats `iss`, `sub` or `aud`, they must be those of the signed token (RFC 7519
    /// §5.3). A second call replaces the keys.
    ///
    /// A token that comes again is found in the cache and not decrypted again.
    ///
    /// ```
    /// use tower_bearer::keys::DecryptionKeys;
    /// use tower_bearer::{ConfigError, KeySet, Validation, Verifier};
    ///
    /// # fn build(keys: KeySet, rules: Validation, jwks: &str) -> Result<(), ConfigError> {
    /// let verifier = Verifier::<serde_json::Value>::new(keys, rules)?
    ///     .with_decryption_keys(DecryptionKeys::from_jwks(jwks)?)
    ///     .with_required_encryption();
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "jwe")]
    #[must_use]
    pub fn with_decryption_keys(mut self, keys: impl Into<DecryptionKeys>) -> Self {
        self.decryption = self.decryption.with_keys(keys.into());
        self.with_empty_cache()
    }

    /// Refuses tokens that are not encrypted, with [`Reason::NotEncrypted`]. For providers that were told to encrypt
    /// (RFC 9068 §4). The default is to accept them.
    #[cfg(feature = "jwe")]
    #[must_use]
    pub fn with_required_encryption(mut self) -> Self {
        self.decryption = self.decryption.required();
        self.with_empty_cache()
    }

    /// Asks whether the subject of a token is still active, for every token that is good and not
    /// revoked.
    #[cfg(feature = "active-check")]
    #[must_use]
    pub fn with_active_check(mut self, check: ActiveCheck) -> Self {
        self.active = OptionalCheck::new(check);
        self
    }

    /// Sets the clock. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.time = Time::OfClock(Arc::new(clock));
        self.with_empty_cache()
    }

    /// Returns the clock.
    pub(crate) fn time(&self) -> &Time {
        &self.time
    }

    /// Returns whether the rules of all issuers are those of FAPI 2.0.
    pub(crate) fn is_fapi2(&self) -> bool {
        self.trust.all(Rules::is_fapi2)
    }

    /// Returns the issuers.
    #[cfg(feature = "metadata")]
    pub(crate) fn issuers(&self) -> &IssuerSet {
        &self.trust
    }

    /// Returns whether tokens can be revoked.
    pub(crate) fn has_revocations(&self) -> bool {
        self.revocations.is_some()
    }

    /// Returns the verifier for a layer, whose guards trust its results.
    pub(crate) fn behind(mut self, layer: Arc<ChallengeConfig>) -> Self {
        self.layer = Some(layer);
        self
    }

    /// Accepts tokens that are bound to a key, for a layer that asks for the proof. Its cache is
    /// not shared with verifiers that do not ask.
    pub(crate) fn with_proofs(mut self) -> Self {
        self.kind = Kind::Proved;
        self.with_empty_cache()
    }

    /// Returns the verifier for a layer that has authenticators. Its cache holds their answers too,
    /// so it is not shared. An authenticator may decide by the scheme, so a token under one scheme is
    /// not the same token under another one.
    pub(crate) fn with_authenticators(mut self) -> Self {
        self.names_have_schemes = true;
        self.with_empty_cache()
    }

    /// Calls a function with the name of a token in the cache. No header field can hold a line break,
    /// so no token has the name of another one.
    #[inline]
    fn with_name_of<T>(
        &self,
        scheme: AuthScheme,
        token: &[u8],
        call: impl FnOnce(&[u8]) -> T,
    ) -> T {
        if !self.names_have_schemes || scheme == AuthScheme::BEARER {
            return call(token);
        }
        call(&Zeroizing::new([scheme.as_str().as_bytes(), token].join(&b'\n')))
    }

    /// Verifies another kind of token, and no access tokens any more.
    #[cfg(any(feature = "endpoints", feature = "introspection"))]
    pub(crate) fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        // Such tokens come once, and a hit revalidates the dates of access tokens.
        self.cache = None;
        self
    }

    /// Sets the length of the longest token that is read. The default is 16 KiB, and more than 1
    /// GiB counts as 1 GiB.
    #[must_use]
    pub fn with_max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes.min(MOST_BYTES);
        self.with_empty_cache()
    }

    /// Sets how many verified tokens the cache keeps, and how many bytes of memory they may take.
    /// The default is 4,096 tokens in 16 MiB.
    ///
    /// A hit costs a look-up instead of a signature. Everything that can change is still checked
    /// each time: the dates, the issuer, the key, and revocations. Only good tokens enter the
    /// cache. Their text is wiped from memory when they leave, which is at the latest when other
    /// tokens are verified after they have expired.
    ///
    /// A full cache evicts an entry to make room. To evict an entry that was never hit, a token has
    /// to come twice. So tokens that come once, however many they are, evict few tokens that come
    /// again, and cost hardly more than without a cache. If
    /// [`turned_away`](CacheStats::turned_away) grows all the time and more hits are possible, make
    /// the cache larger.
    ///
    /// The claims are read once and shared by all requests with the token. The `Deserialize` of `C`
    /// must depend on the token alone, and a change that one request makes inside of the claims (a
    /// `Mutex`, a `OnceLock`) is seen by the others.
    ///
    /// The number of entries is rounded up to a multiple of 4, and limited by the bytes and to 2²⁴. Each entry counts
    /// with the text of the token, the data that the crate keeps of it, and `C`. The memory of a type is not known, so
    /// `C` counts as if it were a [`serde_json::Value`], which few types exceed: the text of the payload, 640 bytes for an object, 152 for each further member, 128 for a list, 64 for
    /// each further entry. A struct counts without the object that the payload is, and without the lists and objects
    /// that no field of it is for; to find out which fields there are, its `Deserialize` is run on a deserializer that
    /// answers everything with an error. If `C` holds data that was not in the token (a compiled
    /// pattern, a buffer), add its size to the limit. A token that would take more than a quarter of the bytes is not kept.
    #[must_use]
    pub fn with_cache(mut self, entries: usize, bytes: usize) -> Self {
        let bounds = Bounds { entries, bytes };
        self.cache = (entries > 0).then(|| Arc::new(Cache::new(bounds)));
        self
    }

    /// Verifies every token anew, as a cache with no entries would.
    #[must_use]
    pub fn without_cache(mut self) -> Self {
        self.cache = None;
        self
    }

    /// Returns the counts of the cache. `None` without a cache.
    pub fn cache_stats(&self) -> Option<CacheStats> {
        Some(self.cache.as_ref()?.stats())
    }

    /// Replaces the cache by an empty one, because its entries were verified by other rules.
    fn with_empty_cache(mut self) -> Self {
        self.cache = self.cache.map(|cache| Arc::new(Cache::new(cache.bounds())));
        self
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> Verifier<C> {
    /// Verifies a token and reads its claims.
    ///
    /// The future completes at once, unless the key source has to fetch keys first or the active
    /// check has to be asked.
    ///
    /// # Errors
    ///
    /// [`AuthError`] with the [`Reason`], but none of the reasons that concern requests or
    /// policies.
    pub async fn verify(&self, token: &str) -> Result<Verified<C>, AuthError> {
        match self.begin(token) {
            StartedVerification::Done(result) => result,
            StartedVerification::Waits(waiting) => waiting.await,
        }
    }

    /// Verifies a token until it has to wait. The future that waits is boxed here: otherwise it
    /// would be moved with every future that does not wait.
    #[inline]
    fn begin(&self, token: &str) -> StartedVerification<'_, C> {
        match self.recall(token.as_bytes()) {
            Some(verified) => match self.is_active(&verified) {
                Some(verdict) => StartedVerification::Done(verdict.map(|()| verified)),
                None => self.go_on(self.attempt_once_more(TokenText::bearer(token))),
            },
            None => self.go_on(self.attempt(TokenText::bearer(token))),
        }
    }

    #[inline(never)]
    fn go_on(&self, attempt: Attempt<C>) -> StartedVerification<'_, C> {
        match attempt {
            Attempt::Accepted(remembered) => {
                StartedVerification::Done(Ok(remembered.into_verified()))
            }
            Attempt::Refused(error) => StartedVerification::Done(Err(error)),
            Attempt::Waits(waiting) => StartedVerification::Waits(Box::pin(async move {
                let (_, remembered) = self.verify_after(waiting).await?;
                Ok(remembered.into_verified())
            })),
        }
    }

    /// Verifies a token without waiting.
    ///
    /// Returns `None` where [`verify`](Self::verify) would wait: for keys that are not loaded yet,
    /// or for the answer whether the subject is still active. Nothing is decided then: call
    /// `verify`, which fetches what is missing. For programs that decide where nothing can wait: a
    /// callback of another protocol, an interceptor of tonic.
    ///
    /// ```
    /// # use tower_bearer::{AuthError, Verifier};
    /// # async fn check(verifier: &Verifier<serde_json::Value>, token: &str) -> Result<(), AuthError> {
    /// let verified = match verifier.verify_now(token) {
    ///     Some(result) => result?,
    ///     None => verifier.verify(token).await?,
    /// };
    /// # let _ = verified.principal();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`verify`](Self::verify).
    #[must_use]
    pub fn verify_now(&self, token: &str) -> Option<Result<Verified<C>, AuthError>> {
        if let Some(verified) = self.recall(token.as_bytes()) {
            return self.is_active(&verified).map(|verdict| verdict.map(|()| verified));
        }
        match self.attempt(TokenText::bearer(token)) {
            Attempt::Accepted(remembered) => Some(Ok(remembered.into_verified())),
            Attempt::Refused(error) => Some(Err(error)),
            Attempt::Waits(_) => None,
        }
    }

    /// Returns a token from the cache, if everything that may have changed is still good. It does
    /// not ask whether the subject is active.
    pub(crate) fn recall(&self, token: &[u8]) -> Option<Verified<C>> {
        let cache = self.cache.as_ref()?;
        let revocations = self.revocations.as_deref();
        let verified = cache.find(token, |remembered| {
            remembered
                .revalidate(Origin::Cache, &self.trust, revocations, &self.time)
                .map(|()| remembered.verified())
        })?;
        Some(verified.behind(&self.layer))
    }

    /// Decides about a token that is in the cache. It waits if its subject has to be asked about.
    pub(crate) fn decide_from_cache(&self, presented: Presented<'_>) -> Option<Recalled<C>> {
        let (scheme, token) = (presented.scheme(), presented.token());
        let verified = self.with_name_of(scheme, token, |name| self.recall(name))?;
        if let Some(verdict) = self.is_active(&verified) {
            return Some(match verdict {
                Ok(()) => Recalled::Good(verified),
                Err(error) => Recalled::Refused(error),
            });
        }
        // `None` if the entry was evicted meanwhile.
        let token = TokenText { scheme, text: str::from_utf8(token).ok()? };
        let pending = Pending::of(token, Need::Answer(self.peek(token)?));
        Some(Recalled::Waits(Box::new(pending)))
    }

    /// Returns a token that was found in the cache just now, for a request that has to wait nevertheless.
    /// `authenticator` decided about it, if one did.
    pub(crate) fn recalled(
        &self,
        token: TokenText<'_>,
        authenticator: Option<&ConfiguredAuthenticator>,
    ) -> Result<Pending<C>, AuthError> {
        let need = match (self.peek(token), authenticator) {
            (Some(remembered), _) => Need::Answer(remembered),
            // The entry was evicted meanwhile.
            (None, Some(authenticator)) => Need::Decision(authenticator.clone()),
            (None, None) => self.attempt_signature(token)?.map_or(Need::Keys, Need::Answer),
        };
        Ok(Pending::of(token, need))
    }

    /// Returns a token from the cache without a check.
    fn peek(&self, token: TokenText<'_>) -> Option<CachedToken<C>> {
        let cache = self.cache.as_ref()?;
        let TokenText { scheme, text } = token;
        let peek = |name: &[u8]| cache.peek(name, Clone::clone);
        let recalled = self.with_name_of(scheme, text.as_bytes(), peek)?;
        Some(recalled.behind(&self.layer))
    }

    /// Verifies a token that was recalled, and whose subject has to be asked about.
    #[cold]
    pub(crate) fn attempt_once_more(&self, token: TokenText<'_>) -> Attempt<C> {
        match self.peek(token) {
            Some(remembered) => Attempt::Waits(Pending::of(token, Need::Answer(remembered))),
            None => self.attempt(token),
        }
    }

    /// Verifies a token without waiting.
    // Not inlined into functions that only recall, because its stack frame is large.
    #[inline(never)]
    pub(crate) fn attempt(&self, token: TokenText<'_>) -> Attempt<C> {
        match self.attempt_signature(token) {
            Ok(Some(remembered)) => match self.active.recall(remembered.principal()) {
                Some(Ok(())) => Attempt::Accepted(remembered),
                Some(Err(error)) => Attempt::Refused(error),
                None => Attempt::Waits(Pending::of(token, Need::Answer(remembered))),
            },
            Ok(None) => Attempt::Waits(Pending::of(token, Need::Keys)),
            Err(error) => Attempt::Refused(error),
        }
    }

    /// Verifies a token, except whether its subject is active. `None` if keys must be waited for.
    fn attempt_signature(&self, token: TokenText<'_>) -> Result<Option<CachedToken<C>>, AuthError> {
        let opened = self.decryption.open(token.text, self.max_token_bytes)?;
        let received = Received::new(token, opened.as_deref());
        let mut buffer = Buffer::<USUAL>::new();
        let (compact, trusted) = self.parse(received.signed(), &mut buffer)?;
        let epochs = self.epochs(&trusted);
        match trusted.keys.lookup(compact.header()) {
            Lookup::Refresh => Ok(None),
            answer => match self.finish(received, compact, &trusted, answer, &epochs) {
                Ok(remembered) => Ok(Some(remembered)),
                Err(error) if may_have_another_key(&trusted, &error) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// Returns the verdict of the active check, if it is known without waiting.
    #[inline]
    pub(crate) fn is_active(&self, verified: &Verified<C>) -> Option<Result<(), AuthError>> {
        self.active.recall(verified.principal())
    }

    /// Verifies a token after a wait. Returns the token too, for
    /// [`revalidate_after_wait`](Self::revalidate_after_wait).
    pub(crate) async fn verify_after(
        &self,
        Pending { scheme, token: text, need, fallback }: Pending<C>,
    ) -> Result<(Zeroizing<String>, CachedToken<C>), AuthError> {
        let token = TokenText { scheme, text: &text };
        let (remembered, is_new) = match need {
            Need::Keys => (self.verify_or_ask(token, fallback.as_ref()).await?, true),
            Need::Decision(authenticator) => (self.ask(&authenticator, token).await?, true),
            Need::Answer(remembered) => (remembered, false),
        };
        match self.active.recall(remembered.principal()) {
            Some(verdict) if is_new => return verdict.map(|()| (text, remembered)),
            Some(verdict) => verdict?,
            None => self.active.ask(remembered.principal()).await?,
        }
        let authenticator = remembered.authenticator().cloned();
        let remembered = match (self.revalidate_after_wait(token, remembered)?, authenticator) {
            (Some(remembered), _) => remembered,
            (None, Some(authenticator)) => self.ask(&authenticator, token).await?,
            (None, None) => self.verify_after_refresh(token).await?,
        };
        Ok((text, remembered))
    }

    /// Checks everything that may have changed since a token was verified: its dates, issuer, key
    /// and revocations. For a token that has waited. `None` if keys, or an authenticator, must be
    /// waited for once more.
    pub(crate) fn revalidate_after_wait(
        &self,
        token: TokenText<'_>,
        remembered: CachedToken<C>,
    ) -> Result<Option<CachedToken<C>>, AuthError> {
        let revocations = self.revocations.as_deref();
        if remembered.revalidate(Origin::Request, &self.trust, revocations, &self.time).is_ok() {
            return Ok(Some(remembered));
        }
        if let Some(authenticator) = remembered.authenticator() {
            return self.why_not(&remembered, authenticator).map(|()| None);
        }
        // From the beginning, because its issuer may have been added again with other rules, and to
        // find the reason of a refusal.
        self.attempt_signature(token)
    }

    /// Verifies a token after the key source had one chance to fetch keys.
    async fn verify_after_refresh(
        &self,
        token: TokenText<'_>,
    ) -> Result<CachedToken<C>, AuthError> {
        // On the heap: otherwise the future that waits would carry the buffer with it.
        let mut buffer = Buffer::<0>::new();
        let opened = self.decryption.open(token.text, self.max_token_bytes)?;
        let received = Received::new(token, opened.as_deref());
        let (mut compact, mut trusted) = self.parse(received.signed(), &mut buffer)?;
        loop {
            // Before the source looks for the key.
            let mut epochs = self.epochs(&trusted);
            let refreshed = trusted.keys.refresh(compact.header()).await;
            let mut answer = refreshed.map_err(|error| about(&trusted, error))?;
            // Chosen again, since the issuer may have been removed meanwhile, or added again with
            // other rules and other keys, which have to be waited for as well.
            let now = self.trust.choose(&mut compact)?;
            now.rules.check_header(self.kind, compact.header())?;
            if !now.is(&trusted) {
                epochs = self.epochs(&now);
                answer = now.keys.lookup(compact.header());
            }
            if now.is(&trusted) || !matches!(answer, Lookup::Refresh) {
                return self.finish(received, compact, &now, answer, &epochs);
            }
            trusted = now;
        }
    }

    fn parse<'t, 'b, const N: usize>(
        &self,
        token: &'t str,
        buffer: &'b mut Buffer<N>,
    ) -> Result<(Compact<'t, 'b>, Chosen<'_>), AuthError> {
        let mut compact = Compact::parse(token, self.max_token_bytes, &self.headers, buffer)?;
        let trusted = self.trust.choose(&mut compact)?;
        // Before the signature: a wrong `alg` must not even reach a key source.
        trusted.rules.check_header(self.kind, compact.header())?;
        Ok((compact, trusted))
    }

    fn finish(
        &self,
        received: Received<'_>,
        compact: Compact<'_, '_>,
        trusted: &IssuerEntry,
        answer: Lookup,
        epochs: &Epochs,
    ) -> Result<CachedToken<C>, AuthError> {
        let candidates = match answer {
            Lookup::Found(candidates) => candidates,
            Lookup::WrongAlgorithm => return Err(wrong_algorithm(compact.header(), trusted)),
            Lookup::Unknown => return Err(unknown_key(&compact)),
            // The key was not looked for, and a 401 would make clients discard good tokens.
            Lookup::Refresh => return Err(about(trusted, KeysUnavailable::new(STILL_REFRESHING))),
        };
        let VerifiedJws { header, new_header, key, payload } = compact.verify(candidates.keys())?;
        let rules = &trusted.rules;
        let mut footprint = match self.cache {
            Some(_) => Footprint::of::<C>(),
            None => Footprint::uncounted(),
        };
        let mut builder = PrincipalBuilder::<C>::new(Some(header), self.layer.clone());
        let parsed = builder.parsed();
        let read = payload.read(rules.claim_paths(), parsed, &mut footprint);
        read.map_err(AuthError::after_signature)?;
        let key = rules.check_key(key, candidates.keys(), &parsed.registered)?.identity();
        rules.assume_issuer(&mut parsed.registered);
        let span = rules.span(&parsed.registered);
        let now = span.now(&self.time);
        if let Err(error) = rules.check(self.kind, parsed, now) {
            if error.reason() == Reason::WrongIssuer {
                trusted.report_near_miss(parsed.registered.issuer().unwrap_or_default());
            }
            return Err(error);
        }
        received.check_copies(&parsed.registered)?;
        if let Some(view) = &self.revocations {
            revocation::check(&**view, &parsed.registered, rules)?;
        }
        builder.ends_at(span.end());
        builder.ruled_by(rules.principal_rules());
        let claims = payload.claims::<C>().map_err(|error| about(trusted, error))?;
        let verified = Verified::new(builder, claims);
        if let Some((segment, header)) = new_header.zip(verified.principal().header()) {
            self.headers.learn(segment, header);
        }
        let remembered = CachedToken::new(verified, Grounds::new(trusted, key, span, epochs));
        if let Some(cache) = &self.cache {
            let weight = size_of::<C>() + footprint.bytes() + remembered.principal().heap_bytes();
            let dates = (span.end(), now);
            let TokenText { scheme, text } = received.token();
            self.with_name_of(scheme, text.as_bytes(), |name| {
                cache.insert(name, weight, dates, || remembered.clone());
            });
        }
        Ok(remembered)
    }

    fn epochs(&self, trusted: &IssuerEntry) -> Epochs {
        Epochs::read(trusted, self.revocations.as_deref())
    }
}

/// Returns whether a refused token may be good with a key that is not loaded yet.
#[cold]
fn may_have_another_key(trusted: &IssuerEntry, error: &AuthError) -> bool {
    let is_about_keys =
        matches!(error.reason(), Reason::InvalidSignature | Reason::AlgorithmNotAllowed);
    is_about_keys && trusted.keys.may_be_outdated()
}

/// Names the issuer that the operator has to look after.
#[cold]
fn about(trusted: &IssuerEntry, error: impl Into<AuthError>) -> AuthError {
    error.into().about_issuer(trusted.rules.issuer())
}

/// Names the algorithms of the keys that the token may mean: of the one that it names, or of all.
#[cold]
fn wrong_algorithm(header: &Header, trusted: &IssuerEntry) -> AuthError {
    let is_for = |algorithm: &Algorithm| {
        *algorithm == algorithm.canonical()
            && matches!(trusted.keys.lookup(&header.with_algorithm(*algorithm)), Lookup::Found(_))
    };
    let algorithms = Algorithm::ALL.into_iter().filter(is_for).map(Algorithm::as_str);
    let algorithms = algorithms.collect::<Vec<_>>().join(", ");
    let wanted = header.algorithm();
    let detail = match wanted.family() {
        _ if algorithms.is_empty() => format!("the token says {wanted}, which no key is for"),
        Family::Rsa => format!(
            "the token says {wanted}, and the key is for {algorithms}; an RSA key that names no \
             `alg` is for RS256 unless its source is told the algorithms (`with_algorithms`, \
             `algorithms`)"
        ),
        _ => format!("the token says {wanted}, and the key is for {algorithms}"),
    };
    AuthError::with_detail(Reason::AlgorithmNotAllowed, detail)
}

fn unknown_key(compact: &Compact<'_, '_>) -> AuthError {
    let detail = match compact.header().key_id() {
        None => "the token names no key".to_owned(),
        Some(kid) => format!("`kid` is \"{}\"", shown(kid)),
    };
    AuthError::with_detail(Reason::UnknownKey, detail)
}

impl<C> Clone for Verifier<C> {
    fn clone(&self) -> Self {
        Self {
            trust: self.trust.clone(),
            kind: self.kind,
            decryption: self.decryption.clone(),
            revocations: self.revocations.clone(),
            active: self.active.clone(),
            time: self.time.clone(),
            max_token_bytes: self.max_token_bytes,
            headers: Arc::clone(&self.headers),
            layer: self.layer.clone(),
            names_have_schemes: self.names_have_schemes,
            cache: self.cache.clone(),
        }
    }
}

impl<C> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("trust", &self.trust)
            .field("has_decryption", &self.decryption.is_set())
            .field("has_revocations", &self.revocations.is_some())
            .field("has_active_check", &self.active.is_set())
            .field("max_token_bytes", &self.max_token_bytes)
            .field("cache", &self.cache.as_ref().map(|cache| cache.stats()))
            .finish_non_exhaustive()
    }
}

const STILL_REFRESHING: &str =
    "the key source has not looked for the key, although it was waited for";
/// The number of decoded bytes of most tokens.
const USUAL: usize = 1280;
/// The limit of positions in a token, which take 32 bits.
const MOST_BYTES: usize = 1 << 30;
