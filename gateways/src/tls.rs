//! The one TLS provider of the process: ring.

/// Makes ring the provider of every TLS client in this process. Calling it again does nothing.
///
/// A program that makes any `reqwest` client calls this first: built without a provider of its
/// own, `reqwest` panics where none was chosen.
pub fn use_ring() {
    // An error means that one was chosen before, and there is only ring to choose.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
