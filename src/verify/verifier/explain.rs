//! Makes each check of a token by itself, for an explanation.

use serde::de::DeserializeOwned;

use super::Verifier;
use crate::claims::policy::{self, Access, Policy};
use crate::claims::validation::ClaimCheck;
use crate::claims::{self, Footprint, NumericDate, ParsedClaims};
use crate::error::{AuthError, Reason};
use crate::jose::{Header, HeaderCache};
use crate::keys::{KeySource as _, Lookup};
use crate::state::revocation;
use crate::verify::compact::{Buffer, Compact, typed_claims};
use crate::verify::decryption::Received;
use crate::verify::explain::{Change, Checks, Explanation, Facts, Step, UnverifiedToken};
use crate::verify::issuers::{Chosen, IssuerSet};
use crate::verify::presented::TokenText;

impl<C: DeserializeOwned + Send + Sync + 'static> Verifier<C> {
    /// Explains what this verifier says about a token, check by check, and what would have to change.
    ///
    /// The token is verified as by [`verify`](Self::verify), but never recalled from the cache. An explanation costs
    /// about twice as much as a verification.
    ///
    /// ```
    /// # use tower_bearer::Verifier;
    /// # async fn run(verifier: &Verifier<serde_json::Value>, token: &str) {
    /// let explanation = verifier.explain(token).await;
    /// for check in explanation.checks() {
    ///     println!("{:20} {}", check.step().title(), check.outcome().as_str());
    /// }
    /// if let Some(change) = explanation.change() {
    ///     println!("{}", change.sentence()); // The audience is `orders`, and this API expects …
    /// }
    /// # }
    /// ```
    ///
    /// The explanation is for developers and operators. Clients get the answers of the layer, which tell strangers
    /// nothing.
    pub async fn explain(&self, token: &str) -> Explanation {
        self.explain_with(token, None).await
    }

    /// Explains what this verifier and then this policy say about a token: a role or a scope that a route needs, for
    /// example.
    pub async fn explain_with_policy(&self, token: &str, policy: impl Policy) -> Explanation {
        self.explain_with(token, Some(&policy)).await
    }

    async fn explain_with(&self, token: &str, policy: Option<&dyn Policy>) -> Explanation {
        let verifier = self.clone().without_cache();
        // First, because keys that are missing are waited for.
        let verdict = verifier.verify(token).await;
        let mut checks = verifier.each_check(token, &verdict);
        if policy.is_some() && verdict.is_err() {
            checks.skip(&[Step::Policy]);
        }
        let verdict = verdict.and_then(|verified| match policy {
            None => Ok(()),
            Some(policy) => {
                let result =
                    policy::check(policy, &Access::new(verified.principal()).at(&self.time), &[]);
                checks.add(Step::Policy, result.clone(), |_, error| {
                    self.granting(token, policy, error)
                });
                result
            }
        });
        Explanation::new(verdict, checks)
    }

    fn each_check<T>(&self, token: &str, verdict: &Result<T, AuthError>) -> Checks {
        let mut checks = Checks::default();
        if !self.decryption.is_set() {
            self.check_signed(
                Received::new(TokenText::bearer(token), None),
                None,
                verdict,
                &mut checks,
            );
            return checks;
        }
        match self.decryption.open(token, usize::MAX) {
            Ok(opened) => {
                let received = Received::new(TokenText::bearer(token), opened.as_deref());
                self.check_signed(received, Some(Ok(())), verdict, &mut checks);
            }
            Err(error) if error.reason() == Reason::NotEncrypted => {
                let received = Received::new(TokenText::bearer(token), None);
                self.check_signed(received, Some(Err(error)), verdict, &mut checks);
            }
            Err(error) => {
                let change = |_, error: &AuthError| Change::of_reason(error.reason());
                checks.add(Step::Size, self.check_size(token), change);
                self.add_encryption(Some(Err(error)), token, &mut checks);
                checks.skip(&[Step::Form]);
                checks.skip(AFTER_FORM);
            }
        }
        checks
    }

    fn check_size(&self, token: &str) -> Result<(), AuthError> {
        if token.len() > self.max_token_bytes { Err(Reason::TokenTooLarge.into()) } else { Ok(()) }
    }

    /// Adds the check of the encryption, if the verifier decrypts.
    #[cfg_attr(not(feature = "jwe"), expect(unused_variables, reason = "nothing is decrypted"))]
    fn add_encryption(
        &self,
        encryption: Option<Result<(), AuthError>>,
        token: &str,
        checks: &mut Checks,
    ) {
        #[cfg(feature = "jwe")]
        if let (Some(result), Some(keys)) = (encryption, self.decryption.keys()) {
            let change = |_, error: &AuthError| Change::of_encryption(keys, token, error);
            checks.add(Step::Encryption, result, change);
        }
    }

    /// Makes the checks of a signed token, whether or not it was encrypted.
    fn check_signed<T>(
        &self,
        received: Received<'_>,
        encryption: Option<Result<(), AuthError>>,
        verdict: &Result<T, AuthError>,
        checks: &mut Checks,
    ) {
        let (sent, token) = (received.token().text, received.signed());
        let headers = HeaderCache::default();
        let mut buffer = Buffer::<0>::new();
        let size = self.check_size(sent);
        // With a header that is good, so that only the form of the token is judged.
        let rest = token.find('.').map_or("", |dot| &token[dot..]);
        let stand_in = format!("{STAND_IN}{rest}");
        let form = Compact::parse(&stand_in, usize::MAX, &headers, &mut buffer);
        let mut compact = match form {
            Ok(compact) => compact,
            Err(error) => {
                let change = |_, error: &AuthError| Change::of_reason(error.reason());
                checks.add(Step::Size, size, change);
                self.add_encryption(encryption, sent, checks);
                checks.add(Step::Form, Err(error), |_, error| self.in_right_form(token, error));
                checks.skip(AFTER_FORM);
                return;
            }
        };
        let trusted = self.trust.choose(&mut compact);
        let trusted = match trusted {
            Ok(trusted) => trusted,
            Err(error) => {
                let change = |_, error: &AuthError| Change::of_reason(error.reason());
                checks.add(Step::Size, size, change);
                self.add_encryption(encryption, sent, checks);
                checks.add(Step::Form, Ok(()), change);
                let header = header_of(token);
                checks.add(Step::Header, header.map(drop), change);
                checks.add(Step::Issuer, Err(error), |_, error| self.one_of_the_issuers(error));
                checks.skip(AFTER_ISSUER);
                return;
            }
        };
        let payload = compact.unverified_payload().map(str::to_owned);
        let rules = &trusted.rules;
        // One of several issuers was chosen by its exact name, which leaves nothing to check. A
        // template was chosen without a look at the tenant.
        let is_open = matches!(self.trust, IssuerSet::One(_)) || rules.template().is_some();
        let mut parsed = ParsedClaims::default();
        let read = payload.and_then(|text| {
            claims::read(&text, rules.claim_paths(), &mut parsed, &mut Footprint::uncounted())?;
            Ok(text)
        });
        rules.assume_issuer(&mut parsed.registered);
        let header = header_of(token);
        let facts = Facts {
            rules,
            keys: &trusted.keys,
            header: header.as_ref().ok(),
            parsed: &parsed,
            payload: read.as_deref().unwrap_or_default(),
            now: NumericDate::from(self.time.now()),
            max_token_bytes: self.max_token_bytes,
            token_bytes: sent.len(),
        };
        checks.judge(Step::Size, size, &facts);
        self.add_encryption(encryption, sent, checks);
        checks.judge(Step::Form, Ok(()), &facts);
        checks.judge(Step::Header, header.as_ref().map(drop).map_err(Clone::clone), &facts);
        if !is_open {
            checks.judge(Step::Issuer, Ok(()), &facts);
        }
        match &header {
            Ok(header) => {
                checks.judge(Step::Algorithm, rules.check_algorithm(header), &facts);
                checks.judge(Step::HeaderType, rules.check_header_kind(self.kind, header), &facts);
                self.check_signature(token, header, &trusted, verdict, &facts, checks);
            }
            Err(_) => checks.skip(&[Step::Algorithm, Step::HeaderType, Step::Key, Step::Signature]),
        }
        if !checks.judge(Step::Payload, read.as_ref().map(drop).map_err(Clone::clone), &facts) {
            checks.skip(AFTER_PAYLOAD);
            return;
        }
        for (check, result) in rules.check_each(self.kind, &parsed, facts.now) {
            let step = match check {
                ClaimCheck::Binding => Step::Binding,
                ClaimCheck::Kind => Step::Kind,
                ClaimCheck::Issuer if is_open => Step::Issuer,
                ClaimCheck::Audience => Step::Audience,
                ClaimCheck::Trust if rules.checks_trust() => Step::Trust,
                ClaimCheck::Issuer | ClaimCheck::Trust => continue,
                ClaimCheck::Expiry => Step::Expiry,
                ClaimCheck::Start => Step::Start,
                ClaimCheck::Age => Step::Age,
                ClaimCheck::Required => Step::RequiredClaims,
            };
            checks.judge(step, result, &facts);
        }
        self.check_beyond_claims(received, verdict, &facts, checks);
    }

    /// Makes the checks that follow those of the claims.
    fn check_beyond_claims<T>(
        &self,
        received: Received<'_>,
        verdict: &Result<T, AuthError>,
        facts: &Facts<'_>,
        checks: &mut Checks,
    ) {
        #[cfg(not(feature = "jwe"))]
        let _ = received;
        #[cfg(feature = "jwe")]
        if received.was_encrypted() {
            let result = received.check_copies(&facts.parsed.registered);
            checks.add(Step::HeaderClaims, result, |_, _| Change::of_header_claims());
        }
        if let Some(view) = &self.revocations {
            let result = revocation::check(&**view, &facts.parsed.registered, facts.rules);
            checks.judge(Step::Revocation, result, facts);
        }
        let typed = typed_claims::<C>(facts.payload);
        checks.judge(Step::ClaimsType, typed.map(drop), facts);
        if self.active.is_set() {
            match verdict {
                Ok(_) => _ = checks.judge(Step::Active, Ok(()), facts),
                // Asked last: if it was the verdict, nothing else has failed.
                Err(_) => checks.skip(&[Step::Active]),
            }
        }
    }

    fn check_signature<T>(
        &self,
        token: &str,
        header: &Header,
        trusted: &Chosen<'_>,
        verdict: &Result<T, AuthError>,
        facts: &Facts<'_>,
        checks: &mut Checks,
    ) {
        let candidates = match trusted.keys.lookup(header) {
            Lookup::Found(candidates) => candidates,
            answer => {
                // The verifier has waited for the keys, and knows more than a look-up.
                let found = verdict.as_ref().err().filter(|error| {
                    let reason = error.reason();
                    matches!(
                        reason,
                        Reason::KeysUnavailable | Reason::UnknownKey | Reason::AlgorithmNotAllowed
                    )
                });
                let error = match (found, answer) {
                    (Some(error), _) => error.clone(),
                    (None, Lookup::WrongAlgorithm) => super::wrong_algorithm(header, trusted),
                    (None, _) => Reason::UnknownKey.into(),
                };
                checks.judge(Step::Key, Err(error), facts);
                checks.skip(&[Step::Signature]);
                return;
            }
        };
        checks.judge(Step::Key, Ok(()), facts);
        let mut buffer = Buffer::<0>::new();
        let compact = Compact::parse(token, usize::MAX, &self.headers, &mut buffer);
        let result = compact.and_then(|compact| {
            let key = compact.verify_signature(candidates.keys())?;
            let claims = &facts.parsed.registered;
            // `None` if there are no claims by which the key could be judged.
            key.map_or(Ok(()), |key| {
                facts.rules.check_key(key, candidates.keys(), claims).map(drop)
            })
        });
        checks.judge(Step::Signature, result, facts);
    }

    /// Says how to write a token that has not the right form: its parts, signed again.
    fn in_right_form(&self, token: &str, error: &AuthError) -> Change {
        let IssuerSet::One(trusted) = &self.trust else { return Change::of_reason(error.reason()) };
        let unverified = UnverifiedToken::parse(token);
        let facts = Facts {
            rules: &trusted.rules,
            keys: &trusted.keys,
            header: None,
            parsed: &ParsedClaims::default(),
            payload: unverified.claims().unwrap_or_default(),
            now: NumericDate::from(self.time.now()),
            max_token_bytes: self.max_token_bytes,
            token_bytes: token.len(),
        };
        facts.change(Step::Form, error)
    }

    /// Says which issuers are configured, of which the token names none.
    fn one_of_the_issuers(&self, error: &AuthError) -> Change {
        let general = Change::of_reason(error.reason());
        match &self.trust {
            IssuerSet::One(_) => general,
            IssuerSet::Several(issuers) => {
                let mut names = issuers.names();
                names.sort_unstable();
                general.towards_issuer(&names)
            }
        }
    }

    /// Returns the change with which a policy allows what a token is sent for.
    fn granting(&self, token: &str, policy: &dyn Policy, error: &AuthError) -> Change {
        let general = Change::of_reason(error.reason());
        let Ok(opened) = self.decryption.open(token, usize::MAX) else { return general };
        let token = Received::new(TokenText::bearer(token), opened.as_deref()).signed();
        let mut buffer = Buffer::<0>::new();
        let Ok(mut compact) = Compact::parse(token, usize::MAX, &self.headers, &mut buffer) else {
            return general;
        };
        match self.trust.choose(&mut compact) {
            Ok(trusted) => {
                let (places, now) = (trusted.rules.grant_places(), self.time.now());
                general.granting(&policy.describe(), error, places, NumericDate::from(now))
            }
            Err(_) => general,
        }
    }
}

/// Reads the header of a token whose form is good.
fn header_of(token: &str) -> Result<Header, AuthError> {
    let mut buffer = Buffer::<0>::new();
    let compact = Compact::parse(token, usize::MAX, &HeaderCache::default(), &mut buffer)?;
    Ok(compact.header().clone())
}

/// `{"alg":"RS256"}`
const STAND_IN: &str = "eyJhbGciOiJSUzI1NiJ9";
const AFTER_FORM: &[Step] = &[
    Step::Header,
    Step::Issuer,
    Step::Algorithm,
    Step::HeaderType,
    Step::Key,
    Step::Signature,
    Step::Payload,
    Step::Binding,
    Step::Kind,
    Step::Audience,
    Step::Expiry,
    Step::Start,
    Step::Age,
    Step::RequiredClaims,
];
const AFTER_ISSUER: &[Step] = AFTER_FORM.split_at(2).1;
const AFTER_PAYLOAD: &[Step] = AFTER_FORM.split_at(7).1;
