//! Answers the page with the reports of `inspect` and `explain`.

use tower_bearer::Validation;
use tower_bearer::explain::UnverifiedToken;
use zeroize::Zeroizing;

use crate::dates;
use crate::explain::{KeyPlace, Question};
use crate::failure::Failure;
use crate::input::bare;
use crate::inspect::Report;
use crate::serve::{self, Explaining, Keys, Reports};

/// The reports of this program.
pub(crate) struct Answers;

impl Reports for Answers {
    fn inspect(&self, token: &str) -> String {
        let report = Report::new(bare(token), None, None, dates::now());
        serde_json::to_string(&report).unwrap_or_default()
    }

    fn explain(&self, question: serve::Question) -> Explaining<'_> {
        Box::pin(async move {
            let token = bare(&question.token);
            let explanation = asked(&question, token)?.ask(token).await;
            let mut report = serde_json::to_value(&explanation).map_err(Failure::new)?;
            let is_empty =
                |field: &Option<String>| field.as_deref().unwrap_or("").trim().is_empty();
            let expected = [("issuer", &question.issuer), ("audience", &question.audience)];
            let assumed = expected.into_iter().filter(|(_, field)| is_empty(field));
            report["assumed"] = assumed.map(|(name, _)| name).collect::<Vec<_>>().into();
            Ok(report.to_string())
        })
    }
}

/// Returns the question to a verifier. An empty field expects what the token says of itself.
fn asked(question: &serve::Question, token: &str) -> Result<Question, Failure> {
    let own = |name: &str| {
        let claims = UnverifiedToken::parse(token);
        let claims: serde_json::Value = serde_json::from_str(claims.claims()?).ok()?;
        match claims.get(name)? {
            serde_json::Value::Array(list) => Some(list.first()?.as_str()?.to_owned()),
            value => Some(value.as_str()?.to_owned()),
        }
    };
    let unknown = |what: &str| {
        Failure::new(format_args!("the token names no {what}"))
            .with_hint(format_args!("say which {what} the API expects"))
    };
    let given = |field: &Option<String>| field.clone().filter(|text| !text.trim().is_empty());
    let issuer = given(&question.issuer).or_else(|| own("iss")).ok_or_else(|| unknown("issuer"))?;
    let audience =
        given(&question.audience).or_else(|| own("aud")).ok_or_else(|| unknown("audience"))?;
    let mut validation = Validation::new(&issuer, audience);
    if let Some(preset) = given(&question.preset) {
        validation = validation.with_preset(preset.parse().map_err(Failure::new)?);
    }
    let keys = match &question.keys {
        Keys::Secret(secret) => KeyPlace::Secret(secret.as_bytes().to_vec().into()),
        Keys::Pem(text) | Keys::Jwks(text) => KeyPlace::Text(Zeroizing::new(text.clone())),
        Keys::Issuer(true) => KeyPlace::Issuer,
        Keys::Issuer(false) => return Err(Failure::new("the keys are not known")),
        Keys::Url(url) => KeyPlace::Url(url.clone()),
    };
    Question::new(&issuer, &keys, &[], validation)
}
