//! One certificate authority for all servers of a test process, since making its key is slow.

use std::sync::LazyLock;

use env::Env;
use types::Timestamp;

struct Pem {
    certificate: String,
    private_key: String,
}

static PEM: LazyLock<Pem> = LazyLock::new(|| {
    let env = Env::simulated(Timestamp::from_secs(1_700_000_000), 1);
    let authority = pki::Authority::create(&env).expect("an authority can be made");
    let private_key = authority.to_secret_pem().expect("a new key can be written");
    Pem { certificate: authority.certificate_pem().to_owned(), private_key }
});

/// The process's authority.
pub(crate) fn authority() -> pki::Authority {
    pki::Authority::load(&PEM.certificate, &PEM.private_key).expect("what was made can be loaded")
}
