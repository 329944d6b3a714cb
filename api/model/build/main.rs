//! Turns `models/*.json` into types and tables, one Rust file per service, in `OUT_DIR`.

#![allow(clippy::let_underscore_must_use, reason = "writing to a String cannot fail")]
#![allow(clippy::print_stdout, reason = "cargo reads what a build script prints")]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use definition::Definition;

mod definition;
mod names;
mod pattern;
mod structures;
mod tables;

/// Model file, module, `ServiceId` variant.
const SERVICES: [(&str, &str, &str); 10] = [
    ("iot", "iot", "Iot"),
    ("iot-data", "iot_data", "IotData"),
    ("iot-jobs-data", "iot_jobs_data", "IotJobsData"),
    ("iotsecuretunneling", "tunneling", "Tunneling"),
    ("iotwireless", "wireless", "Wireless"),
    ("greengrassv2", "greengrass", "Greengrass"),
    ("iotevents", "iot_events", "IotEvents"),
    ("iotevents-data", "iot_events_data", "IotEventsData"),
    ("iotanalytics", "analytics", "Analytics"),
    ("iotdeviceadvisor", "device_advisor", "DeviceAdvisor"),
];

fn main() -> io::Result<()> {
    let models = Path::new("../../models");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={}", models.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for (file, module, id) in SERVICES {
        let text = fs::read_to_string(models.join(format!("{file}.json")))?;
        let definition = Definition::parse(&text).map_err(io::Error::other)?;
        let mut code = structures::write(&definition);
        code.push_str(&tables::write(&definition, file, id));
        fs::write(out.join(format!("{module}.rs")), code)?;
    }
    Ok(())
}
