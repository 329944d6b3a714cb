//! What rules reach outside of the server, as the settings say where it is.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use functions::{FunctionSettings, Functions, Host, LogLine};
use outbound::Client;
use service::{App, DeviceEvent, LogLevel, kinds};
use targets::{Caller, Kinds, LocalPlaces, PutLogEvents, Targets};

use crate::confirmation::Courier;

/// Where objects of local buckets are, in the data directory.
const OBJECTS: &str = "targets/s3";

/// What rules reach outside of the server.
#[derive(Clone)]
pub struct Outside {
    /// Sends requests to URLs that rules name.
    pub client: Client,
    /// Functions that rules call.
    pub functions: Functions,
    /// What stands for AWS's services.
    pub targets: Targets,
    /// Asks destinations whether they want messages; mostly the client.
    pub courier: Arc<dyn Courier>,
}

/// Settings of what is outside.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Functions, by name, ARN or pattern.
    pub functions: BTreeMap<String, FunctionSettings>,
    /// What stands for AWS's services.
    pub targets: targets::Settings,
    /// What functions may have of the server's environment.
    pub environment: BTreeMap<String, String>,
}

/// Why what is outside cannot be reached at all.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// A setting of a function.
    #[error("a function's settings are wrong")]
    Functions(#[from] functions::SettingsError),
    /// The folder, or a setting, of what stands for an AWS service.
    #[error("could not open what stands for AWS's services")]
    Targets(#[from] io::Error),
}

impl Outside {
    /// What `places` say. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// A setting that cannot be, or a folder that cannot be made.
    pub fn open(app: &Arc<App>, client: Client, places: &Places) -> Result<Self, OutsideError> {
        let local = local_places(app);
        let targets = Targets::new(places.targets.clone(), local, client.clone(), &app.env)?;
        let host = host(app, places.environment.clone());
        let functions = Functions::new(&places.functions, client.clone(), host)?;
        Ok(Self { courier: Arc::new(client.clone()), client, functions, targets })
    }
}

fn host(app: &App, environment: BTreeMap<String, String>) -> Host {
    Host {
        env: app.env.clone(),
        region: app.settings.region.to_string(),
        account: app.settings.account.to_string(),
        environment,
        log: Arc::new(|line: LogLine<'_>| {
            let LogLine { function, request_id, text, .. } = line;
            tracing::info!(function, request_id, text, "a function wrote");
        }),
    }
}

fn local_places(app: &Arc<App>) -> LocalPlaces {
    let of_log = Arc::downgrade(app);
    LocalPlaces {
        objects: app.settings.data_dir.join(OBJECTS),
        store: app.store.clone(),
        kinds: Kinds {
            table: kinds::TARGET_TABLE,
            item: kinds::TARGET_ITEM,
            stream: kinds::TARGET_STREAM,
            block: kinds::TARGET_BLOCK,
            webhook: kinds::TARGET_WEBHOOK,
        },
        log_sink: Arc::new(move |caller, put| {
            if let Some(app) = of_log.upgrade() {
                log(&app, caller, put);
            }
        }),
    }
}

/// What rules log, where CloudWatch Logs is this server, is in the device log.
fn log(app: &App, caller: &Caller, put: &PutLogEvents) {
    for event in &put.events {
        let details = format!("{}: {}", put.group, event.message);
        app.device_log.record(DeviceEvent {
            details,
            account_id: Some(caller.tenant.account.to_string()),
            region: Some(caller.tenant.region.to_string()),
            ..DeviceEvent::success("CloudwatchLogs", LogLevel::Info)
        });
    }
}
