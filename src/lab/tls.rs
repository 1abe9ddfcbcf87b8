//! Https on loopback: a certificate authority made at start, and a listener whose handshakes run in
//! tasks of their own, so that one slow client holds up nobody.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use super::LabError;

/// A client that has not finished its handshake by then is dropped.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What the lab shows to its clients: the authority to trust, and the server's side of TLS.
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    pub(crate) server: Arc<ServerConfig>,
}

/// Makes an authority and a certificate for `localhost` and 127.0.0.1, signed by it.
///
/// Key usages and key identifiers are set on both, because strict verifiers ask for them.
pub(crate) fn make_identity() -> Result<Identity, LabError> {
    let tls = |what: &'static str| move |e: rcgen::Error| LabError::Tls { what, cause: e.to_string() };
    let ca_key = KeyPair::generate().map_err(tls("make a key"))?;
    let mut ca = CertificateParams::new(Vec::default()).map_err(tls("describe the authority"))?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "riposte lab authority");
    ca.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_pem = ca.self_signed(&ca_key).map_err(tls("sign the authority"))?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let key = KeyPair::generate().map_err(tls("make a key"))?;
    // Loopback is never reached through a proxy. The last name is no loopback address, and leads there all the same.
    let names = ["localhost", "127.0.0.1", "::1", "0.0.0.0"].map(str::to_owned).to_vec();
    let mut leaf = CertificateParams::new(names).map_err(tls("describe the server"))?;
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let chain = vec![leaf.signed_by(&key, &issuer).map_err(tls("sign the server"))?.der().clone()];
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));

    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|b| b.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|e| LabError::Tls { what: "set up the server", cause: e.to_string() })?;
    Ok(Identity { ca_pem, server: Arc::new(server) })
}

/// Accepts TCP in one task and shakes hands in many; hands out finished connections.
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<(Line, SocketAddr)>,
    local: SocketAddr,
    accepting: tokio::task::AbortHandle,
}

impl TlsListener {
    pub(crate) fn start(tcp: TcpListener, server: Arc<ServerConfig>) -> io::Result<Self> {
        let local = tcp.local_addr()?;
        let (sender, ready) = mpsc::channel(64);
        let accepting = tokio::spawn(accept_all(tcp, TlsAcceptor::from(server), sender)).abort_handle();
        Ok(Self { ready, local, accepting })
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        match self.ready.recv().await {
            Some(line) => line,
            // The accepting task has ended, which happens only while the lab goes down.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

async fn accept_all(tcp: TcpListener, tls: TlsAcceptor, ready: mpsc::Sender<(Line, SocketAddr)>) {
    loop {
        let Ok((stream, from)) = tcp.accept().await else {
            // Out of file handles, most likely: let others finish first.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (tls, ready) = (tls.clone(), ready.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            if let Ok(Ok(tls)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                let _ = ready.send((Line { tls, cut: Cut::default() }, from)).await;
            }
        });
    }
}

/// The switch that ends a connection without an answer.
#[derive(Clone, Default)]
pub(crate) struct Cut(Arc<AtomicBool>);

impl Cut {
    /// Nothing more leaves on this connection.
    pub(crate) fn now(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl axum::extract::connect_info::Connected<axum::serve::IncomingStream<'_, TlsListener>> for Cut {
    fn connect_info(stream: axum::serve::IncomingStream<'_, TlsListener>) -> Self {
        stream.io().cut.clone()
    }
}

/// One TLS connection that can be cut before its answer leaves.
pub(crate) struct Line {
    tls: TlsStream<TcpStream>,
    cut: Cut,
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.cut.check()?;
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.cut.check()?;
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.cut.check()?;
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.cut.check()?;
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
