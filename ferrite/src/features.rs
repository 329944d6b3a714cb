//! The features that bring modelled operations, in one list.

use std::sync::Arc;

use broker::Broker;
use rules::Rules;
use service::{App, Feature, Things};

/// What this server does of AWS IoT. Shadows are for registered `things` alone, if they are given.
pub(crate) fn modelled(
    app: &Arc<App>,
    broker: &Arc<Broker>,
    rules: &Rules,
    things: Option<Arc<dyn Things>>,
) -> Vec<Feature> {
    let shadows = match things {
        Some(things) => shadow::feature_of_registered(app, things),
        None => shadow::feature(app),
    };
    let features = vec![registry::feature(), shadows, rules.feature(), broker::feature(broker)];
    rules.ask(features.iter().flat_map(|feature| &feature.endpoints));
    features
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::*;

    /// `UPDATE_EXPECT=1 cargo test -p ferrite compatibility` writes the page anew.
    #[tokio::test]
    async fn the_compatibility_page_lists_what_is_built() {
        let mut page = String::new();
        let server = testing::Server::build(|app| {
            let devices = registry::Devices::start(app);
            let broker = Broker::new(Arc::clone(app), devices.clone(), devices);
            let client = outbound::Client::new(&outbound::Settings::default(), &app.env);
            let places = rules::Places::default();
            let outside = rules::Outside::open(app, client.unwrap(), &places).unwrap();
            let rules = Rules::start(app, rules::RuleSettings::default(), outside);
            let features = modelled(app, &broker, &rules, None);
            let endpoints = features.iter().flat_map(|feature| &feature.endpoints);
            page = gateway::compatibility::page(endpoints.map(|endpoint| endpoint.spec));
            Vec::new()
        });
        server.await;
        expect_file!["../../docs/compatibility.md"].assert_eq(&page);
    }
}
