//! What brings modelled operations, in one list.

use service::Feature;

/// What this server does of AWS IoT, beside the broker's [`broker::OPERATIONS`].
pub(crate) fn modelled() -> Vec<Feature> {
    vec![registry::feature()]
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    /// `UPDATE_EXPECT=1 cargo test -p ferrite compatibility` writes the page anew.
    #[test]
    fn the_compatibility_page_lists_what_is_built() {
        let features = super::modelled();
        let endpoints = features.iter().flat_map(|feature| &feature.endpoints);
        let built = endpoints.map(|endpoint| endpoint.spec).chain(broker::OPERATIONS);
        let page = gateway::compatibility::page(built);
        expect_file!["../../docs/compatibility.md"].assert_eq(&page);
    }
}
