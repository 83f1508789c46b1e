//! Reads the answers of authenticators, by the same rules as the claims of signed tokens.

use serde::de::DeserializeOwned;

use super::Verifier;
use super::recall::{Answer, CachedToken, Grounds};
use crate::claims::{self, Footprint, NumericDate, PrincipalBuilder, Verified};
use crate::clock::Moment;
use crate::error::{AuthError, Reason};
use crate::state::revocation::{self, Revocations};
use crate::verify::authenticator::ConfiguredAuthenticator;
use crate::verify::compact::typed_claims;
use crate::verify::presented::TokenText;

impl<C: DeserializeOwned + Send + Sync + 'static> Verifier<C> {
    /// Asks an authenticator about a token, and keeps its answer as long as it says.
    pub(super) async fn ask(
        &self,
        configured: &ConfiguredAuthenticator,
        token: TokenText<'_>,
    ) -> Result<CachedToken<C>, AuthError> {
        let ConfiguredAuthenticator { authenticator, rules } = configured;
        let (asked_at, generation) = (Moment::now(), authenticator.generation());
        let authenticated = authenticator.authenticate(token.text).await?;
        let fresh_for = authenticated.fresh_for;
        let text = authenticated.into_text(rules.parties());

        let mut footprint = match self.cache {
            Some(_) => Footprint::of::<C>(),
            None => Footprint::uncounted(),
        };
        let mut builder = PrincipalBuilder::<C>::new(None, self.layer.clone());
        let parsed = builder.parsed();
        claims::read(&text, rules.claim_paths(), parsed, &mut footprint)?;
        let span = rules.span(&parsed.registered);
        let now = span.now(&self.time);
        // A bound token is refused here, before it is kept, unless the layer asks for the proof.
        rules.check(self.kind, parsed, now)?;
        let revocations_epoch = self.revocations.as_deref().map_or(0, Revocations::epoch);
        if let Some(view) = &self.revocations {
            revocation::check(&**view, &parsed.registered, rules)?;
        }
        builder.ends_at(span.end());
        builder.ruled_by(rules.principal_rules());
        let verified = Verified::new(builder, typed_claims::<C>(&text)?);
        let answer = Answer { authenticator: configured.clone(), generation, asked_at, fresh_for };
        let grounds = Grounds::of_answer(answer, span, revocations_epoch);
        let remembered = CachedToken::new(verified, grounds);
        if let Some(cache) = &self.cache
            && !fresh_for.is_zero()
        {
            let weight = size_of::<C>() + footprint.bytes() + remembered.principal().heap_bytes();
            let until = span.end().min(now.saturating_add(fresh_for));
            self.with_name_of(token.scheme, token.text.as_bytes(), |name| {
                cache.insert(name, weight, (until, now), || remembered.clone());
            });
        }
        Ok(remembered)
    }

    /// Verifies a token after a wait for keys, or asks the authenticator for tokens from elsewhere.
    pub(super) async fn verify_or_ask(
        &self,
        token: TokenText<'_>,
        fallback: Option<&ConfiguredAuthenticator>,
    ) -> Result<CachedToken<C>, AuthError> {
        match (self.verify_after_refresh(token).await, fallback) {
            (Err(error), Some(authenticator)) if is_from_elsewhere(&error) => {
                self.ask(authenticator, token).await
            }
            (result, _) => result,
        }
    }

    /// Finds the reason for which an answer is not good any more. `Ok` when the authenticator has to
    /// be asked once more.
    pub(super) fn why_not(
        &self,
        remembered: &CachedToken<C>,
        configured: &ConfiguredAuthenticator,
    ) -> Result<(), AuthError> {
        let claims = remembered.principal().registered();
        let now = NumericDate::from(self.time.now());
        if !configured.rules.span(claims).contains(now) {
            return Err(Reason::Expired.into());
        }
        match &self.revocations {
            Some(view) => revocation::check(&**view, claims, &configured.rules),
            None => Ok(()),
        }
    }
}

/// Returns whether no key that is known here has signed the token, so that it may be good by the
/// word of another authority. An issuer that is known decides about all others, and a kind of token
/// that is not accepted here stays refused.
pub(crate) fn is_from_elsewhere(error: &AuthError) -> bool {
    match error.reason() {
        _ if error.is_after_signature() => false,
        Reason::Malformed
        | Reason::Encrypted
        | Reason::UnsupportedAlgorithm
        | Reason::AlgorithmNotAllowed
        | Reason::UnknownKey
        | Reason::InvalidSignature => true,
        Reason::WrongIssuer | Reason::MissingClaim => error.is_before_signature(),
        _ => false,
    }
}
