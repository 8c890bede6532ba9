use super::{KeyState, Subject, Vault, VaultError, random};
use crate::token::StreamId;

fn person(id: &str) -> Subject {
    Subject::of(&StreamId::try_new("main", "contact", id).unwrap())
}

#[tokio::test]
async fn a_ciphertext_opens_in_its_place_only() {
    let vault = Vault::in_memory();
    let key = vault.key(&person("1")).await.unwrap();
    let sealed = key.seal("here", b"Olena");
    assert_eq!(key.open("here", &sealed).unwrap(), b"Olena");
    assert_eq!(key.open("there", &sealed), None);
    assert_eq!(
        vault.key(&person("2")).await.unwrap().open("here", &sealed),
        None,
        "another person's key"
    );
    assert_ne!(
        key.seal("here", b"Olena"),
        sealed,
        "a nonce of its own each time"
    );
    let mut changed = sealed.into_bytes();
    changed[40] ^= 1;
    assert_eq!(
        key.open("here", std::str::from_utf8(&changed).unwrap()),
        None
    );
}

#[tokio::test]
async fn a_destroyed_key_is_never_made_again() {
    let vault = Vault::in_memory();
    vault.key(&person("1")).await.unwrap();
    vault.destroy(&person("1")).await.unwrap();
    vault.destroy(&person("1")).await.unwrap();
    let state = vault.find(&person("1")).await.unwrap();
    assert!(matches!(state, KeyState::Destroyed));
    let state = vault.find(&person("2")).await.unwrap();
    assert!(
        matches!(state, KeyState::Missing),
        "nobody was erased where no key was ever made"
    );
    assert!(matches!(
        vault.key(&person("1")).await,
        Err(VaultError::Erased(_))
    ));
}

#[tokio::test]
async fn only_the_right_master_key_opens_a_vault() {
    let folder = std::env::temp_dir().join(format!("rapport-vault-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (path, old, new) = (folder.join("vault.db"), random::<32>(), random::<32>());
    let vault = Vault::sqlite(&path, &old).await.unwrap();
    let sealed = vault
        .key(&person("1"))
        .await
        .unwrap()
        .seal("here", b"Olena");
    let secret = vault.secret("unique").await.unwrap();
    assert!(matches!(
        Vault::sqlite(&path, &new).await,
        Err(VaultError::WrongKey)
    ));

    assert_eq!(
        vault.rotate(&new).await.unwrap(),
        3,
        "a workspace, a secret, and the check"
    );
    assert!(matches!(
        Vault::sqlite(&path, &old).await,
        Err(VaultError::WrongKey)
    ));
    let vault = Vault::sqlite(&path, &new).await.unwrap();
    assert_eq!(
        vault
            .key(&person("1"))
            .await
            .unwrap()
            .open("here", &sealed)
            .unwrap(),
        b"Olena"
    );
    assert_eq!(
        vault.secret("unique").await.unwrap(),
        secret,
        "what stands on it stays"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
