//! Says why a token is refused, and what would have to change.

mod question;
mod text;
mod api;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tower_bearer::validation::Preset;
use tower_bearer::{Algorithm, Config, Validation};

pub(crate) use self::question::{KeyPlace, Question};

use crate::dates;
use crate::failure::{Failure, printed_or_closed};
use crate::fetch;
use crate::input::{self, TokenArgs};
use crate::inspect::{DecryptArgs, parse_preset};
use crate::output::Output;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bearer explain --config api.toml < token.txt
  bearer explain --issuer https://id.example.com --audience orders-api --discover --file token.txt
  bearer explain --issuer https://id.example.com --audience orders-api --keys jwks.json --role admin < token.txt
  bearer explain --url https://api.example.com/orders --origin https://app.example.com < token.txt

Exit codes: 0 accepted, 1 refused, 2 could not tell.")]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    token: TokenArgs,
    /// A configuration of tower-bearer, in TOML or JSON, with issuers, audiences and keys.
    #[arg(long, value_name = "FILE", group = "place")]
    config: Option<PathBuf>,
    /// Ask a running API: send it the token, and read its answer.
    #[arg(long, value_name = "URL", group = "place")]
    url: Option<String>,
    /// With --url: the origin of the page that would send the request, to look at CORS too.
    #[arg(long, value_name = "ORIGIN", requires = "url")]
    origin: Option<String>,
    /// With --url: the method of the request.
    #[arg(long, value_name = "METHOD", requires = "url", default_value = "GET")]
    method: String,
    /// The issuer that the API expects.
    #[arg(long, value_name = "ISSUER", requires = "audience", group = "place")]
    issuer: Option<String>,
    /// The audience that the API expects. May be repeated.
    #[arg(long, value_name = "AUDIENCE", requires = "issuer")]
    audience: Vec<String>,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    decrypt: DecryptArgs,
    /// The provider: keycloak, auth0, entra, okta, cognito, spiffe, fapi2.
    #[arg(long, value_name = "NAME", value_parser = parse_preset, requires = "issuer")]
    preset: Option<Preset>,
    /// An algorithm that the API allows. May be repeated; without it, the keys decide.
    #[arg(long, value_name = "NAME", requires = "issuer")]
    algorithm: Vec<Algorithm>,
    /// How far clocks may differ: "60s", "2m". The default is one minute.
    #[arg(long, value_name = "DURATION", value_parser = dates::parse_span, requires = "issuer")]
    leeway: Option<Duration>,
    /// How old a token may be.
    #[arg(long, value_name = "DURATION", value_parser = dates::parse_span, requires = "issuer")]
    max_age: Option<Duration>,
    /// A role that the route needs. May be repeated.
    #[arg(long, value_name = "ROLE", conflicts_with = "url")]
    role: Vec<String>,
    /// A scope that the route needs. May be repeated.
    #[arg(long, value_name = "SCOPE", conflicts_with = "url")]
    scope: Vec<String>,
    /// Judge as at this moment, in seconds since 1970.
    #[arg(long, value_name = "SECONDS", conflicts_with = "url", value_parser = clap::value_parser!(u64).range(..=YEAR_9999))]
    at: Option<u64>,
}

/// Where the keys are.
#[derive(Args, Debug)]
#[group(id = "key_place", multiple = false)]
struct KeyArgs {
    /// A file with the keys: a JWK set, a JWK, or PEM.
    #[arg(long, value_name = "FILE", requires = "issuer")]
    keys: Option<PathBuf>,
    /// The address of the key set.
    #[arg(long, value_name = "URL", requires = "issuer")]
    jwks_url: Option<String>,
    /// Find the keys by the metadata of the issuer.
    #[arg(long, requires = "issuer")]
    discover: bool,
    /// A file with an HMAC secret, as it is; a line break at its end does not count.
    #[arg(long, value_name = "FILE", requires = "issuer")]
    secret_file: Option<PathBuf>,
    /// The variable of the environment that holds an HMAC secret.
    #[arg(long, value_name = "NAME", requires = "issuer")]
    secret_env: Option<String>,
}

impl KeyArgs {
    fn place(&self) -> Result<KeyPlace, Failure> {
        if let Some(path) = &self.keys {
            return Ok(KeyPlace::Text(input::read_text(path)?));
        }
        if let Some(url) = &self.jwks_url {
            return Ok(KeyPlace::Url(url.clone()));
        }
        if self.discover {
            return Ok(KeyPlace::Issuer);
        }
        if let Some(path) = &self.secret_file {
            return Ok(KeyPlace::Secret(input::read_secret(path)?));
        }
        if let Some(name) = &self.secret_env {
            let secret = std::env::var(name).map_err(|_| {
                Failure::new(format_args!("the variable {name} is not set, or not text"))
            })?;
            return Ok(KeyPlace::Secret(secret.into_bytes().into()));
        }
        Err(Failure::new("the keys of the issuer are not known").with_hint(
            "name them with --discover, --jwks-url, --keys, --secret-file or --secret-env",
        ))
    }
}

impl ExplainArgs {
    fn validation(&self, issuer: &str) -> Result<Validation, Failure> {
        let Some((first, others)) = self.audience.split_first() else {
            return Err(
                Failure::new("the audience is not known").with_hint("name it with --audience")
            );
        };
        let mut validation = Validation::new(issuer, first).with_audiences(others);
        if let Some(preset) = self.preset {
            validation = validation.with_preset(preset);
        }
        if let Some(leeway) = self.leeway {
            validation = validation.with_leeway(leeway);
        }
        if let Some(age) = self.max_age {
            validation = validation.with_max_age(age);
        }
        Ok(validation)
    }
}

pub(crate) fn run(args: &ExplainArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    if let Some(url) = &args.url {
        let token = args.token.read_optional(output)?;
        let token = token.as_ref().map(|token| token.as_str());
        return api::run(url, &args.method, token, args.origin.as_deref(), output);
    }
    let question = match (&args.config, &args.issuer) {
        (Some(path), _) => Question::of_config(&Config::from_file(path).map_err(Failure::new)?)?,
        (None, Some(issuer)) => {
            let validation = args.validation(issuer)?;
            Question::new(issuer, &args.keys.place()?, &args.algorithm, validation)?
        }
        (None, None) => {
            return Err(Failure::new("it is not known what the API expects").with_hint(
                "name a --config, or --issuer and --audience with the keys, or the --url of a running API",
            ));
        }
    };
    let question = question.decrypting(args.decrypt.keys()?);
    let token = args.token.read(output)?;
    let question = question.needing(&args.role, &args.scope).at(args.at);
    let explanation = fetch::wait_for(async { Ok(question.ask(&token).await) })?;
    let printed = if output.is_json() {
        output.json(&explanation)
    } else {
        let now = args.at.and_then(|at| i64::try_from(at).ok()).unwrap_or_else(dates::now);
        text::print(&explanation, &token, now, output)
    };
    printed_or_closed(printed, text::exit_code(&explanation))
}

/// The last second of the year 9999, after which dates have no form.
const YEAR_9999: u64 = 253_402_300_799;
