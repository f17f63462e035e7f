//! The TPM against swtpm: what it seals it opens, as often as it is asked; what another one sealed, or somebody altered, it
//! does not, and says which.

use safelight_keystore::{KeyWrap as _, StoreError, Tpm};
use safelight_servers::Swtpm;

const SECRET: [u8; 32] = [0x5a; 32];

fn tpm(server: &Swtpm) -> Tpm {
    Tpm { device: server.socket() }
}

#[test]
fn what_a_tpm_sealed_it_opens_again_and_again() {
    let Some(server) = Swtpm::start() else { return };
    let tpm = tpm(&server);
    let wrapped = tpm.wrap(&SECRET).expect("seals");
    assert!(!wrapped.windows(8).any(|at| at == &SECRET[..8]), "the secret is in what the slot holds");
    // A TPM has room for three objects: one that stayed behind each time would end this.
    for _ in 0..8 {
        assert_eq!(tpm.unwrap(&wrapped).expect("opens").as_slice(), SECRET);
    }
    assert_ne!(tpm.wrap(&SECRET).expect("seals"), wrapped, "two seals are two");
}

#[test]
fn what_another_tpm_sealed_or_somebody_altered_stays_closed() {
    let (Some(server), Some(other)) = (Swtpm::start(), Swtpm::start()) else { return };
    let wrapped = tpm(&server).wrap(&SECRET).expect("seals");
    let error = tpm(&other).unwrap(&wrapped).expect_err("another machine's");
    assert!(matches!(error, StoreError::Foreign(_)), "{error:?}");
    for place in (1..wrapped.len()).step_by(7) {
        let mut altered = wrapped.clone();
        altered[place] ^= 1;
        let error = tpm(&server).unwrap(&altered).expect_err("altered");
        assert!(matches!(error, StoreError::Foreign(_) | StoreError::Failed(_)), "byte {place}: {error:?}");
    }
    assert_eq!(tpm(&server).unwrap(&wrapped).expect("still opens").as_slice(), SECRET);
}
