//! `ferrite device create` and `delete`: a thing, its certificate and its policy in one step.
#![allow(clippy::print_stdout, reason = "commands answer on the terminal")]

mod folder;
mod paste;
mod policy;
mod registry;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use self::folder::Files;
pub(crate) use self::folder::{Device, Folder};
use self::policy::Home;
use self::registry::Issued;
use crate::addresses::Addresses;
use crate::config::Config;
use crate::{root_ca, shell};

/// A thing's name may have 128 characters, its policy's `-policy` more.
const NAME_CHARS_MAX: usize = 121;
/// Pages of certificates that `device delete` goes through.
const PAGES_MAX: usize = 100;

/// What `ferrite device create` was told.
pub(crate) struct Order {
    pub(crate) name: String,
    /// A policy document to be used as it is.
    pub(crate) policy: Option<PathBuf>,
    /// Where the files go; a folder with the device's name if nobody says.
    pub(crate) folder: Option<PathBuf>,
}

/// What stands already, for whoever has to clean up.
type Made = Vec<String>;

/// `ferrite device create`.
pub(crate) fn create(config: &Config, order: &Order) -> anyhow::Result<()> {
    check_name(&order.name)?;
    let policy = order.policy.as_deref().map(read_policy).transpose()?;
    let folder = Folder::make(order.folder.as_deref().unwrap_or(Path::new(&order.name)))?;
    let mut made = Made::new();
    match build(config, &order.name, policy, &folder, &mut made) {
        Ok(device) => {
            print!("{}", paste::text(&device, &folder, &config.data_dir));
            Ok(())
        }
        Err(error) => {
            folder.remove();
            bail!("{error:#}{}", unfinished(config, &order.name, &made))
        }
    }
}

/// `ferrite device delete`.
pub(crate) fn delete(config: &Config, name: &str) -> anyhow::Result<()> {
    check_name(name)?;
    let is_there = registry::find_thing(config, name)?.is_some();
    if is_there {
        delete_certificates(config, name)?;
    }
    let policy = policy::name(name);
    let has_policy = registry::find_policy(config, &policy)?.is_some();
    ensure!(is_there || has_policy, "there is no device {name}");
    if has_policy && registry::is_policy_in_use(config, &policy)? {
        println!("kept     policy {policy}: others have it");
    } else if has_policy {
        registry::delete_policy(config, &policy)?;
        println!("deleted  policy {policy}");
    }
    if is_there {
        registry::delete_thing(config, name)?;
        println!("deleted  thing {name}");
    }
    println!("The device's folder was left alone; its key opens nothing any more.");
    Ok(())
}

/// The names that a thing may have.
fn check_name(name: &str) -> anyhow::Result<()> {
    let is_of_a_name = |b: u8| b.is_ascii_alphanumeric() || b"-_:".contains(&b);
    ensure!(
        (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_of_a_name),
        "a device's name has 1 to {NAME_CHARS_MAX} letters, digits and -_: alone, not {name}"
    );
    Ok(())
}

fn read_policy(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}

/// Makes everything, step by step, and notes what stands.
fn build(
    config: &Config,
    name: &str,
    policy: Option<String>,
    folder: &Folder,
    made: &mut Made,
) -> anyhow::Result<Device> {
    let endpoint = registry::endpoint(config)?;
    let addresses = Addresses::find(config)?;
    let door = addresses
        .mqtts
        .context("the server has no door for devices: start it with listen.mqtts=127.0.0.1:8883")?;
    let policy_name = policy::name(name);
    // One that is given is tried first: should it be malformed, nothing has been made.
    if let Some(document) = &policy {
        ensure_policy(config, &policy_name, document, made)?;
    }
    let thing_arn = ensure_thing(config, name, made)?;
    let document = match policy {
        Some(document) => document,
        None => {
            let document = policy::document(name, &Home::of(&thing_arn)?);
            ensure_policy(config, &policy_name, &document, made)?;
            document
        }
    };
    let issued = registry::create_certificate(config)?;
    let device = Device {
        thing_name: name.to_owned(),
        thing_arn,
        client_id: name.to_owned(),
        endpoint,
        port: door.port(),
        https_port: addresses.https.map(|address| address.port()),
        certificate_id: issued.id.clone(),
        certificate_arn: issued.arn.clone(),
        policy_name,
    };
    equip(config, &device, &issued, &document, folder)
        .inspect_err(|_| give_up(config, &issued, made))?;
    Ok(device)
}

/// The ARN of the thing, made if it was not there.
fn ensure_thing(config: &Config, name: &str, made: &mut Made) -> anyhow::Result<String> {
    if let Some(arn) = registry::find_thing(config, name)? {
        let others = registry::principals_of(config, name)?.len();
        println!("thing {name} was there already: it gets one more certificate");
        if others > 0 {
            println!(
                "(it had {others}; to be rid of them: ferrite device delete {name}, then create)"
            );
        }
        return Ok(arn);
    }
    let arn = registry::create_thing(config, name)?;
    made.push(format!("thing {name}"));
    Ok(arn)
}

/// The policy as it should be, made if it was not there.
fn ensure_policy(
    config: &Config,
    name: &str,
    document: &str,
    made: &mut Made,
) -> anyhow::Result<()> {
    let Some(found) = registry::find_policy(config, name)? else {
        registry::create_policy(config, name, document)
            .with_context(|| format!("policy {name} was refused"))?;
        made.push(format!("policy {name}"));
        return Ok(());
    };
    if is_same(&found, document) {
        return Ok(());
    }
    bail!(
        "policy {name} is there already and says something else. To use it as it is, save its \
         document and name the file:\n  aws iot get-policy --policy-name {name} --query \
         policyDocument --output text > {name}.json\nand add --policy {name}.json; to be rid of \
         it: aws iot delete-policy --policy-name {name}"
    )
}

/// Whether two documents say the same, however they are laid out.
fn is_same(one: &str, other: &str) -> bool {
    let parse = |text| serde_json::from_str::<Value>(text).ok();
    one == other || parse(one).is_some_and(|one| Some(one) == parse(other))
}

/// Ties thing, certificate and policy together, and writes the folder.
fn equip(
    config: &Config,
    device: &Device,
    issued: &Issued,
    policy: &str,
    folder: &Folder,
) -> anyhow::Result<()> {
    registry::attach_policy(config, &device.policy_name, &issued.arn)?;
    registry::attach_thing(config, &device.thing_name, &issued.arn)?;
    let root_ca = root_ca::path(&config.data_dir);
    let root_ca = fs::read_to_string(&root_ca)
        .with_context(|| format!("could not read {}", root_ca.display()))?;
    let files = Files {
        certificate: &issued.pem,
        private_key: &issued.private_key,
        root_ca: &root_ca,
        policy,
    };
    folder.write(device, &files)
}

/// Deletes a certificate whose key nobody will ever have.
fn give_up(config: &Config, issued: &Issued, made: &mut Made) {
    let deleted =
        strip(config, &issued.arn).and_then(|()| registry::delete_certificate(config, &issued.arn));
    if deleted.is_err() {
        made.push(format!("certificate {}", issued.id));
    }
}

/// Takes every thing and policy from a certificate.
fn strip(config: &Config, certificate: &str) -> anyhow::Result<()> {
    for thing in registry::things_of(config, certificate)? {
        registry::detach_thing(config, &thing, certificate)?;
    }
    for policy in registry::policies_of(config, certificate)? {
        registry::detach_policy(config, &policy, certificate)?;
    }
    Ok(())
}

/// What stands although the device is not finished, and what to do about it.
fn unfinished(config: &Config, name: &str, made: &Made) -> String {
    if made.is_empty() {
        return String::new();
    }
    let (program, option) = (shell::program(), shell::data_dir_option(&config.data_dir));
    format!(
        "\nMade so far: {}. Run the command again to go on, or undo it with:\n  {program} device \
         delete {name}{option}",
        made.join(", ")
    )
}

/// Deletes what the thing connects with, or only detaches it where other things use it too.
fn delete_certificates(config: &Config, name: &str) -> anyhow::Result<()> {
    for _ in 0..PAGES_MAX {
        let principals = registry::principals_of(config, name)?;
        if principals.is_empty() {
            return Ok(());
        }
        for principal in principals {
            delete_principal(config, name, &principal)?;
        }
    }
    bail!("{name} still has certificates; run the command again to go on")
}

fn delete_principal(config: &Config, name: &str, principal: &str) -> anyhow::Result<()> {
    let others = registry::things_of(config, principal)?.iter().any(|thing| thing != name);
    if others || !principal.contains(":cert/") {
        registry::detach_thing(config, name, principal)?;
        println!("detached {principal}");
        return Ok(());
    }
    strip(config, principal)?;
    registry::delete_certificate(config, principal)?;
    println!("deleted  {principal}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_things() {
        for name in ["pump", "line:1_a-b", &"x".repeat(NAME_CHARS_MAX)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a/b", "..", "a b", "p*", "ü", &"x".repeat(NAME_CHARS_MAX + 1)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn documents_are_compared_by_what_they_say() {
        assert!(is_same(r#"{"a":1,"b":[2]}"#, "{ \"b\": [2],\n \"a\": 1 }"));
        assert!(!is_same(r#"{"a":1}"#, r#"{"a":2}"#));
        assert!(!is_same("not", "json"));
    }
}
