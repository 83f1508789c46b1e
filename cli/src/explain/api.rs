//! Asks a running API, and reads its answer: status, challenges, CORS, resource metadata.

use std::process::ExitCode;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, HeaderMap,
    HeaderValue, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::failure::{Failure, printed_or_closed};
use crate::fetch;
use crate::output::{BAD, FAINT, GOOD, NAME, Output, STRONG, WARNING, printable, styled};

/// The answers of an API.
#[derive(Debug, Serialize)]
struct Report {
    verdict: &'static str,
    /// The answer to the request with the token, or to the only one.
    status: u16,
    status_without_token: Option<u16>,
    challenges: Vec<Challenge>,
    retry_after: Option<String>,
    cors: Option<Cors>,
    resource_metadata: Option<Metadata>,
    findings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

/// The answer to the preflight, and the fields of the answer itself.
#[derive(Debug, Serialize)]
struct Cors {
    origin: String,
    preflight_status: u16,
    allows_origin: bool,
    allows_authorization: bool,
    exposes_challenge: bool,
}

#[derive(Debug, Serialize)]
struct Metadata {
    url: String,
    document: Option<Value>,
    problem: Option<String>,
}

struct Answer {
    status: StatusCode,
    fields: HeaderMap,
}

pub(super) fn run(
    url: &str,
    method: &str,
    token: Option<&str>,
    origin: Option<&str>,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let url = fetch::address(url)?;
    let method: Method =
        method.parse().map_err(|_| Failure::new(format_args!("{method:?} is no method")))?;
    let report = fetch::wait_for(ask(&url, &method, token, origin))?;
    let printed = if output.is_json() { output.json(&report) } else { print(&report, output) };
    let code = match report.verdict {
        "accepted" => ExitCode::SUCCESS,
        "refused" => ExitCode::from(1),
        _ => ExitCode::from(2),
    };
    printed_or_closed(printed, code)
}

async fn ask(
    url: &reqwest::Url,
    method: &Method,
    token: Option<&str>,
    origin: Option<&str>,
) -> Result<Report, Failure> {
    let client = fetch::client(url)?;
    let origin_field = origin
        .map(HeaderValue::from_str)
        .transpose()
        .map_err(|_| Failure::new("the origin is no field value"))?;
    let anonymous = send(&client, url, method, None, origin_field.as_ref()).await?;
    let answer = match token {
        Some(token) => send(&client, url, method, Some(token), origin_field.as_ref()).await?,
        None => Answer { status: anonymous.status, fields: anonymous.fields.clone() },
    };
    let mut findings = Vec::new();
    let mut challenges = challenges(&answer, &mut findings);
    if challenges.is_empty() && answer.status != StatusCode::UNAUTHORIZED {
        challenges = self::challenges(&anonymous, &mut Vec::new());
    }
    let cors = match origin {
        Some(origin) => Some(cors(&client, url, method, origin, &answer, &mut findings).await?),
        None => None,
    };
    let metadata = challenges.iter().find_map(|challenge| challenge.parameter("resource_metadata"));
    let metadata = match metadata {
        Some(address) => Some(metadata_at(url, address, &mut findings).await),
        None => None,
    };
    judge(&anonymous, &answer, token.is_some(), &mut findings);
    let retry_after = answer.fields.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Ok(Report {
        verdict: match answer.status.as_u16() {
            // The answer to a request without a token says nothing about one.
            _ if token.is_none() => "undecided",
            200..300 if !anonymous.status.is_success() => "accepted",
            401 | 403 => "refused",
            _ => "undecided",
        },
        status: answer.status.as_u16(),
        status_without_token: token.map(|_| anonymous.status.as_u16()),
        challenges,
        retry_after: retry_after.map(str::to_owned),
        cors,
        resource_metadata: metadata,
        findings,
    })
}

async fn send(
    client: &reqwest::Client,
    url: &reqwest::Url,
    method: &Method,
    token: Option<&str>,
    origin: Option<&HeaderValue>,
) -> Result<Answer, Failure> {
    let mut request = client.request(method.clone(), url.clone());
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Failure::new("the token has characters that no field can hold"))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    if let Some(origin) = origin {
        request = request.header(ORIGIN, origin);
    }
    let response = request.send().await.map_err(|error| fetch::no_answer(url, error))?;
    Ok(Answer { status: response.status(), fields: response.headers().clone() })
}

/// Reads the challenges of an answer (RFC 9110 §11.6.1).
fn challenges(answer: &Answer, findings: &mut Vec<String>) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    for field in answer.fields.get_all(WWW_AUTHENTICATE) {
        let parsed = field.to_str().ok().and_then(|text| http_auth::parse_challenges(text).ok());
        let Some(parsed) = parsed else {
            findings.push("A `WWW-Authenticate` field is not written as RFC 9110 §11.6.1 asks, so clients cannot read it.".to_owned());
            continue;
        };
        challenges.extend(parsed.iter().map(|challenge| {
            Challenge {
                scheme: challenge.scheme.to_owned(),
                parameters: challenge
                    .params
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.to_unescaped()))
                    .collect(),
            }
        }));
    }
    challenges
}

impl Challenge {
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        parameters.find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Sends the preflight of a browser (Fetch, "CORS-preflight request").
async fn cors(
    client: &reqwest::Client,
    url: &reqwest::Url,
    method: &Method,
    origin: &str,
    answer: &Answer,
    findings: &mut Vec<String>,
) -> Result<Cors, Failure> {
    let request = client
        .request(Method::OPTIONS, url.clone())
        .header(ORIGIN, origin)
        .header(ACCESS_CONTROL_REQUEST_METHOD, method.as_str())
        .header(ACCESS_CONTROL_REQUEST_HEADERS, "authorization");
    let preflight = request.send().await.map_err(|error| fetch::no_answer(url, error))?;
    let has = |fields: &HeaderMap, name, wanted: &str| {
        let values = fields.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let mut words = values.flat_map(|value| value.split(',')).map(str::trim);
        words.any(|word| word == "*" || word.eq_ignore_ascii_case(wanted))
    };
    // `*` does not mean `Authorization` (Fetch, "CORS-preflight fetch").
    let names = |fields: &HeaderMap, name, wanted: &str| {
        let values = fields.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let mut words = values.flat_map(|value| value.split(',')).map(str::trim);
        words.any(|word| word.eq_ignore_ascii_case(wanted))
    };
    let allows_origin = has(preflight.headers(), ACCESS_CONTROL_ALLOW_ORIGIN, origin)
        && has(&answer.fields, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let allows_authorization =
        names(preflight.headers(), ACCESS_CONTROL_ALLOW_HEADERS, AUTHORIZATION.as_str());
    let exposes_challenge =
        has(&answer.fields, ACCESS_CONTROL_EXPOSE_HEADERS, WWW_AUTHENTICATE.as_str());
    let status = preflight.status();
    if !status.is_success() {
        findings.push(format!(
            "The preflight is answered with {status}: browsers send no token in it, so the CORS layer has to stand \
             outside of the layer that asks for tokens."
        ));
    } else if !allows_origin {
        findings.push(format!(
            "Pages of {origin} cannot read the answer: `Access-Control-Allow-Origin` does not name them, in the \
             preflight or in the answer itself."
        ));
    } else if !allows_authorization {
        findings.push(
            "The preflight does not allow the field `Authorization` (`*` does not include it)."
                .to_owned(),
        );
    }
    if allows_origin && !exposes_challenge && answer.status == StatusCode::UNAUTHORIZED {
        findings.push("Scripts cannot read the challenge: expose `WWW-Authenticate` with `Access-Control-Expose-Headers`.".to_owned());
    }
    let preflight_status = status.as_u16();
    let origin = origin.to_owned();
    Ok(Cors { origin, preflight_status, allows_origin, allows_authorization, exposes_challenge })
}

/// Fetches the metadata of the resource (RFC 9728), from the API's own host only.
async fn metadata_at(api: &reqwest::Url, address: &str, findings: &mut Vec<String>) -> Metadata {
    let failed = |problem: String| Metadata {
        url: address.to_owned(),
        document: None,
        problem: Some(problem),
    };
    let Ok(url) = address.parse::<reqwest::Url>() else {
        findings.push("`resource_metadata` is no address.".to_owned());
        return failed("it is no address".to_owned());
    };
    if url.origin() != api.origin() {
        return failed("it is on another host, and was not fetched".to_owned());
    }
    let answer = match fetch::get_once(&url).await {
        Ok(answer) => answer,
        Err(failure) => return failed(failure.problem().to_owned()),
    };
    if answer.status != StatusCode::OK {
        findings.push(format!("The resource metadata is answered with {}.", answer.status));
        return failed(format!("it is answered with {}", answer.status));
    }
    if answer.is_cut {
        return failed("it is larger than 1 MiB".to_owned());
    }
    let Ok(document) = serde_json::from_slice::<Value>(&answer.body) else {
        findings.push("The resource metadata is not JSON.".to_owned());
        return failed("it is not JSON".to_owned());
    };
    let resource = document.get("resource").and_then(Value::as_str).unwrap_or_default();
    if !api.as_str().starts_with(resource.trim_end_matches('/')) || resource.is_empty() {
        findings.push(format!(
            "The metadata is about {resource:?}, which is no prefix of the address that was asked (RFC 9728 §3.3)."
        ));
    }
    Metadata { url: address.to_owned(), document: Some(document), problem: None }
}

/// Says what the statuses mean.
fn judge(anonymous: &Answer, answer: &Answer, has_token: bool, findings: &mut Vec<String>) {
    let (without, with) = (anonymous.status, answer.status);
    if has_token && without.is_success() {
        findings.push(format!("The route answers {without} without a token too: it is open."));
    }
    if without == StatusCode::UNAUTHORIZED && !anonymous.fields.contains_key(WWW_AUTHENTICATE) {
        findings.push(
            "The 401 has no `WWW-Authenticate` field, which RFC 9110 §15.5.2 requires.".to_owned(),
        );
    }
    if without.is_redirection() {
        findings.push(format!("Without a token the answer is {without}: this is a page for people, and no API, or the address is wrong."));
    }
    if !has_token {
        findings.push("No token was sent: pipe one in, or name a file with --file.".to_owned());
        return;
    }
    match with.as_u16() {
        401 => findings.push("The API does not accept the token. Its challenge tells no more to strangers; its log has the reason, and `bearer explain --config` finds it offline.".to_owned()),
        403 => findings.push("The token is good, and does not allow this request.".to_owned()),
        400 => findings.push("The request is malformed: the API did not look at the token.".to_owned()),
        404 if without == StatusCode::UNAUTHORIZED => {
            findings.push("The token is good; the address does not exist.".to_owned());
        }
        503 => findings.push("The API cannot decide now: its keys or its revocations are not available. The token may be good.".to_owned()),
        500..=599 => findings.push("The API has failed. This says nothing about the token.".to_owned()),
        _ => {}
    }
}

fn print(report: &Report, output: &mut Output) -> std::io::Result<()> {
    let verdict = match report.verdict {
        "accepted" => styled(GOOD, "Accepted:"),
        "refused" => styled(BAD, "Refused:"),
        _ => styled(WARNING, "Undecided:"),
    };
    output.line(format_args!("{verdict} the API answers {}.", report.status))?;
    if let Some(status) = report.status_without_token {
        output.line(styled(FAINT, format_args!("Without a token it answers {status}.")))?;
    }
    if let Some(after) = &report.retry_after {
        output.line(format_args!("Try again after {} (`Retry-After`).", printable(after)))?;
    }
    for challenge in &report.challenges {
        output.line("")?;
        output.line(format_args!(
            "{} {}",
            styled(STRONG, "Challenge"),
            printable(&challenge.scheme)
        ))?;
        for (name, value) in &challenge.parameters {
            output.line(format_args!(
                "  {} {}",
                styled(NAME, printable(name)),
                printable(value)
            ))?;
        }
    }
    if let Some(cors) = &report.cors {
        let yes = |is: bool| if is { styled(GOOD, "yes") } else { styled(BAD, "no") };
        output.line("")?;
        output.line(format_args!(
            "{} for pages of {}",
            styled(STRONG, "CORS"),
            printable(&cors.origin)
        ))?;
        output.line(format_args!("  preflight                {}", cors.preflight_status))?;
        output.line(format_args!("  origin allowed           {}", yes(cors.allows_origin)))?;
        output
            .line(format_args!("  `Authorization` allowed  {}", yes(cors.allows_authorization)))?;
        output.line(format_args!("  challenge readable       {}", yes(cors.exposes_challenge)))?;
    }
    if let Some(metadata) = &report.resource_metadata {
        output.line("")?;
        output.line(format_args!(
            "{} {}",
            styled(STRONG, "Resource metadata"),
            printable(&metadata.url)
        ))?;
        if let Some(problem) = &metadata.problem {
            output.line(format_args!("  {}", printable(problem)))?;
        }
        if let Some(Value::Object(members)) = &metadata.document {
            for (name, value) in members {
                let (name, value) = (printable(name), printable(&value.to_string()));
                output.line(format_args!("  {} {value}", styled(NAME, name)))?;
            }
        }
    }
    if !report.findings.is_empty() {
        output.line("")?;
        for finding in &report.findings {
            output.line(format_args!("{} {}", styled(WARNING, "!"), printable(finding)))?;
        }
    }
    Ok(())
}
