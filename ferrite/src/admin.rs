//! The server's own routes: backup, and reset under `--dev`.

use std::path::PathBuf;
use std::sync::Arc;

use broker::Broker;
use identity::Identity;
use rules::Rules;
use serde::Deserialize;
use serde_json::json;
use service::{Access, ApiError, App, Cx, Feature, RawRequest, RawResponse, RawRoute, RouteMatch};

use crate::{backup, root_ca};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Backup {
    directory: PathBuf,
    #[serde(default)]
    with_keys: bool,
}

/// `POST /_ferrite/v1/backup`, and `POST /_ferrite/v1/reset` under `--dev`.
pub(crate) fn feature(
    app: &Arc<App>,
    identity: &Arc<Identity>,
    broker: &Arc<Broker>,
    rules: &Rules,
    key_file: PathBuf,
) -> Feature {
    let mut raw_routes = vec![backup_route(key_file)];
    if app.settings.is_dev {
        raw_routes.push(reset_route(Arc::clone(identity), Arc::clone(broker), rules.clone()));
    }
    Feature { raw_routes, ..Feature::default() }
}

fn backup_route(key_file: PathBuf) -> RawRoute {
    let matches = RouteMatch::Path("POST", "/_ferrite/v1/backup");
    let handler = move |cx: Cx, request: RawRequest| {
        let key_file = key_file.clone();
        async move {
            let Backup { directory, with_keys } = serde_json::from_slice(&request.body)
                .map_err(|error| ApiError::invalid(format!("The body cannot be read: {error}.")))?;
            let data_dir = &cx.app.settings.data_dir;
            let made = backup::make(cx.store(), data_dir, &key_file, &directory, with_keys).await;
            let report = made.map_err(|error| {
                tracing::warn!(directory = %directory.display(), error = %format!("{error:#}"), "backup failed");
                ApiError::invalid(format!("The backup failed: {error:#}"))
            })?;
            tracing::info!(directory = %directory.display(), with_keys, "backed up");
            RawResponse::json(&report)
        }
    };
    RawRoute::new(matches, Access::Administrator, "Backup", handler)
}

fn reset_route(identity: Arc<Identity>, broker: Arc<Broker>, rules: Rules) -> RawRoute {
    let matches = RouteMatch::Path("POST", "/_ferrite/v1/reset");
    let handler = move |cx: Cx, _| {
        let (identity, broker) = (Arc::clone(&identity), Arc::clone(&broker));
        let rules = rules.clone();
        async move {
            broker.reset().await;
            identity.reset().await?;
            let App { authority, store, keyring, env, .. } = &*cx.app;
            root_ca::save(&authority.get(), store, keyring, env).await?;
            rules.reset().await?;
            tracing::info!("emptied");
            RawResponse::json(&json!({}))
        }
    };
    RawRoute::new(matches, Access::Open, "Reset", handler)
}
