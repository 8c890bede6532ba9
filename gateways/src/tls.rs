//! The one TLS provider of the process: ring, unless a build with KurrentDB has chosen before.

/// Makes ring the provider of every TLS client in this process. Calling it again does nothing.
///
/// A program that makes any `reqwest` client calls this first: built without a provider of its
/// own, `reqwest` panics where none was chosen.
pub fn use_ring() {
    // An error means that one was chosen before: ring, or aws-lc by the archive's client of KurrentDB
    // (ops/adr/0015), which does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
