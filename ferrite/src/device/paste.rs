//! What `ferrite device create` prints: lines that run as they are.

use std::fmt::Write as _;
use std::path::Path;

use super::folder::{Device, Folder};
use crate::shell::{self, word};

/// Everything that there is to try with a new device.
pub(super) fn text(device: &Device, folder: &Folder, data_dir: &Path) -> String {
    let name = &device.thing_name;
    let mut text = format!("device {name} is ready in {}\n\n", folder.path().display());
    for (label, value) in facts(device) {
        writeln!(text, "  {label:<12} {value}").expect("a string takes text");
    }
    let sections = [
        ("With the AWS SDK (pip install awsiotsdk)", connect(folder)),
        (
            "With ferrite: subscribe in one terminal, publish in another",
            ferrite(device, folder, data_dir),
        ),
        ("With mosquitto", mosquitto(device, folder)),
        ("In a program of yours, in Python", snippet(device, folder)),
    ];
    for (title, lines) in sections {
        write!(text, "\n{title}:\n\n{lines}").expect("a string takes text");
    }
    text
}

fn facts(device: &Device) -> [(&'static str, String); 4] {
    [
        ("thing", device.thing_arn.clone()),
        ("certificate", device.certificate_id.clone()),
        ("policy", device.policy_name.clone()),
        ("endpoint", format!("{}, port {} (MQTT over mutual TLS)", device.endpoint, device.port)),
    ]
}

fn connect(folder: &Folder) -> String {
    format!("  python3 {}\n", path(&folder.program()))
}

fn ferrite(device: &Device, folder: &Folder, data_dir: &Path) -> String {
    let (program, option) = (shell::program(), shell::data_dir_option(data_dir));
    let (name, folder) = (&device.thing_name, path(folder.path()));
    format!(
        "  {program} sub {} --device {folder}{option}\n  \
         {program} pub {} '{{\"on\": true}}' --device {folder}{option}\n",
        word(&format!("{name}/#")),
        word(&format!("{name}/hello")),
    )
}

fn mosquitto(device: &Device, folder: &Folder) -> String {
    let Device { thing_name: name, endpoint, port, .. } = device;
    let tls = format!(
        "-h {} -p {port} --cafile {} --cert {} --key {}",
        word(endpoint),
        path(&folder.root_ca()),
        path(&folder.certificate()),
        path(&folder.private_key())
    );
    format!(
        "  mosquitto_sub {tls} -i {} -q 1 -v -t {}\n  \
         mosquitto_pub {tls} -i {} -q 1 -t {} -m hello\n",
        word(&format!("{name}-mosquitto-sub")),
        word(&format!("{name}/#")),
        word(&format!("{name}-mosquitto-pub")),
        word(&format!("{name}/hello")),
    )
}

fn snippet(device: &Device, folder: &Folder) -> String {
    let python = |path: &Path| serde_json::Value::from(path.display().to_string()).to_string();
    format!(
        "  from awsiot import mqtt5_client_builder\n  \
         client = mqtt5_client_builder.mtls_from_path(\n      \
         endpoint=\"{}\", port={}, client_id=\"{}\",\n      \
         cert_filepath={},\n      \
         pri_key_filepath={},\n      \
         ca_filepath={})\n  \
         client.start()\n",
        device.endpoint,
        device.port,
        device.client_id,
        python(&folder.certificate()),
        python(&folder.private_key()),
        python(&folder.root_ca()),
    )
}

fn path(path: &Path) -> String {
    word(&path.display().to_string())
}
