//! `http` actions and the URLs that confirm for them.

use http::{HeaderName, HeaderValue};
use model::iot::{Action, HttpAction};
use outbound::Url;
use service::ApiError;

use super::Place;
use crate::template;

/// The URL that has to confirm for an action, unless it is somebody else's business to name it to
/// CreateTopicRuleDestination.
pub(super) fn confirmation_url(action: &Action) -> Option<String> {
    let http = action.http.as_ref()?;
    let url = http.confirmation_url.as_ref().unwrap_or(&http.url);
    template::is_constant(url).then(|| url.clone())
}

/// Refuses an action that could not be run.
pub(super) fn check(place: Place, action: &HttpAction) -> Result<(), ApiError> {
    let has_constant_url = template::is_constant(&action.url);
    if has_constant_url {
        check_url("http.url", &action.url)?;
    }
    match &action.confirmation_url {
        Some(url) => check_pair(url, &action.url)?,
        None if has_constant_url => {}
        None => {
            return Err(ApiError::invalid(
                "http.confirmationUrl is needed where http.url has substitution templates.",
            ));
        }
    }
    for header in action.headers.iter().flatten() {
        check_header(&header.key, &header.value)?;
    }
    if let Some(sigv4) = action.auth.as_ref().and_then(|auth| auth.sigv4.as_ref())
        && (sigv4.signing_region.is_empty() || sigv4.service_name.is_empty())
    {
        return Err(ApiError::invalid(
            "http.auth.sigv4 names the region and the service that requests are signed for.",
        ));
    }
    let has_batches = action.enable_batching == Some(true) || action.batch_config.is_some();
    if place == Place::Error && has_batches {
        return Err(ApiError::invalid("An error action cannot send batches."));
    }
    Ok(())
}

/// Messages go below the URL that confirmed.
fn check_pair(confirmation_url: &str, url: &str) -> Result<(), ApiError> {
    let (confirmed, sent) =
        (template::constant_prefix(confirmation_url), template::constant_prefix(url));
    if template::is_constant(confirmation_url) {
        check_url("http.confirmationUrl", confirmation_url)?;
    }
    if sent.starts_with(confirmed) || (sent != url && confirmed.starts_with(sent)) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "http.url {url} does not begin with http.confirmationUrl {confirmation_url}"
    )))
}

/// Refuses a URL that nothing could be sent to.
pub(crate) fn check_url(member: &str, url: &str) -> Result<(), ApiError> {
    let refused = |why: &str| ApiError::invalid(format!("{member} {url}: {why}"));
    let parsed = Url::parse(url).map_err(|error| refused(&error.to_string()))?;
    if !parsed.is_https() {
        return Err(refused("a URL of rules begins with https://"));
    }
    if parsed.host().contains(':') {
        return Err(refused("rules do not send to IPv6 addresses."));
    }
    Ok(())
}

fn check_header(key: &str, value: &str) -> Result<(), ApiError> {
    if HeaderName::try_from(key).is_err() {
        return Err(ApiError::invalid(format!("http.headers: {key} is not the name of a header.")));
    }
    if HeaderValue::from_bytes(value.as_bytes()).is_err() {
        return Err(ApiError::invalid(format!("http.headers: the value of {key} cannot be sent.")));
    }
    Ok(())
}
