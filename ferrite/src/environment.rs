//! `ferrite env`: the environment that leads AWS tools to this server, and to nothing else of it.

use crate::client;
use crate::config::Config;
use crate::credentials::{Profile, services};
use crate::shell::quote;

/// Prints the environment for a shell to evaluate.
#[allow(clippy::print_stdout, reason = "the shell reads it")]
pub(crate) fn print(config: &Config) -> anyhow::Result<()> {
    print!("{}", text(&client::profile(config)?));
    Ok(())
}

fn text(profile: &Profile) -> String {
    let mut variables = vec![
        ("AWS_ACCESS_KEY_ID".to_owned(), profile.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), profile.secret.expose()),
        ("AWS_REGION".to_owned(), profile.region.as_str()),
        ("AWS_DEFAULT_REGION".to_owned(), profile.region.as_str()),
    ];
    let endpoint = |service: String| format!("AWS_ENDPOINT_URL_{}", service.to_ascii_uppercase());
    variables.extend(services().map(|service| (endpoint(service), profile.url.as_str())));
    let lines = variables.iter().map(|(name, value)| format!("export {name}={}\n", quote(value)));
    // A token or a profile of another account would outrank the keys.
    lines.chain(["unset AWS_SESSION_TOKEN AWS_PROFILE\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use types::Secret;

    use super::*;

    #[test]
    fn the_environment_names_every_service() {
        let text = text(&Profile {
            access_key_id: "AKIA".into(),
            secret: Secret::from("a/b+c".to_owned()),
            region: "us-east-1".parse().unwrap(),
            url: "http://127.0.0.1:4566".into(),
        });
        for name in [
            "IOT",
            "IOT_DATA_PLANE",
            "IOT_JOBS_DATA_PLANE",
            "IOT_WIRELESS",
            "GREENGRASSV2",
            "IOTSECURETUNNELING",
            "IOT_EVENTS",
            "IOT_EVENTS_DATA",
            "IOTANALYTICS",
            "IOTDEVICEADVISOR",
            "STS",
        ] {
            let line = format!("export AWS_ENDPOINT_URL_{name}='http://127.0.0.1:4566'\n");
            assert!(text.contains(&line), "{name}\n{text}");
        }
        assert!(text.contains("export AWS_SECRET_ACCESS_KEY='a/b+c'\n"));
    }
}
