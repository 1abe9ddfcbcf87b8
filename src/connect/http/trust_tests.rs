//! Whom the transport believes, against a real https server whose authority nobody knows.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::*;
use crate::connect::loopback::{PATIENCE, clock};
use crate::connect::token::{Anonymous, Authorize};
use crate::model::failure::{FailureKind, Provider, Sent};

const ALLOWED: &[Allowed] = &[Allowed(Method::Get, "hello")];

/// An https server on loopback; gives its port and its authority's certificate.
async fn serve() -> (u16, Vec<u8>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut heard = [0_u8; 2048];
            let _ = stream.read(&mut heard).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
            let _ = stream.shutdown().await;
        }
    });
    (port, authority.pem().into_bytes())
}

async fn hello(port: u16, extra_ca_pem: Option<Vec<u8>>) -> Result<Answer, crate::model::failure::Failure> {
    let client = client(&ClientOptions { extra_ca_pem, ..ClientOptions::default() }).unwrap();
    let options = ApiOptions {
        provider: Provider::Entra,
        base: format!("https://localhost:{port}").parse().unwrap(),
        auth: (Arc::new(Anonymous) as Arc<dyn Authorize>).into(),
        allowed: ALLOWED,
        pace: Pace::unlimited(&clock(), 1),
        max_body: 1024,
    };
    Api::new(&client, options).unwrap().send(&Call::get("hello").deadline(PATIENCE)).await
}

#[tokio::test]
async fn an_extra_authority_is_believed() {
    let (port, authority) = serve().await;
    assert_eq!(hello(port, Some(authority)).await.unwrap().body, b"hi");
}

#[tokio::test]
async fn an_unknown_authority_is_not_and_nothing_was_sent_to_it() {
    let (port, _) = serve().await;
    let (_, other) = serve().await;
    for extra in [None, Some(other)] {
        let failure = hello(port, extra).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Unreachable, Sent::No));
        assert!(failure.hint.contains("certificate"), "{failure}");
    }
}
