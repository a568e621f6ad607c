//! An S3 server on loopback over a folder: `s3s` speaks the protocol and checks signatures (SigV4), `s3s-fs` keeps each object
//! as a file. It can be stopped, started again at the same address, and made to answer nobody.
//!
//! What it cannot show: whether a service is durable when it answers, listings that lag behind, versions and object lock, slow-down
//! answers, and requests larger or slower than loopback has them.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

/// The server's access key and its secret.
pub const KEY: (&str, &str) = ("HANMARUTESTKEY", "a-secret-for-tests-alone");

/// A server over a folder, each folder in it a bucket.
pub struct BucketServer {
    root: PathBuf,
    address: SocketAddr,
    silent: Arc<AtomicBool>,
    runtime: Option<Runtime>,
}

impl BucketServer {
    /// Starts a server with one empty bucket.
    pub fn start(root: &Path, bucket: &str) -> Self {
        std::fs::create_dir_all(root.join(bucket)).expect("a folder for the bucket");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let silent = Arc::new(AtomicBool::new(false));
        let runtime = Some(serve(root, listener, Arc::clone(&silent)));
        Self { root: root.to_owned(), address, silent, runtime }
    }

    /// Its address, for a site.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where a bucket's objects are as files.
    pub fn bucket(&self, bucket: &str) -> PathBuf {
        self.root.join(bucket)
    }

    /// Ends it, connections included.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        self.stop();
        self.silent.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(self.address).expect("the port is free again");
        self.runtime = Some(serve(&self.root, listener, Arc::clone(&self.silent)));
    }

    /// From now on it takes connections and answers nobody, until it is started again.
    pub fn hang(&mut self) {
        self.stop();
        self.silent.store(true, Ordering::SeqCst);
        let listener = TcpListener::bind(self.address).expect("the port is free again");
        self.runtime = Some(serve(&self.root, listener, Arc::clone(&self.silent)));
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn serve(root: &Path, listener: TcpListener, silent: Arc<AtomicBool>) -> Runtime {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let files = s3s_fs::FileSystem::new(root).expect("its folder is there");
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
    let service = builder.build();
    listener.set_nonblocking(true).expect("a socket of a runtime");
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let mut held = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            if silent.load(Ordering::SeqCst) {
                held.push(socket);
                continue;
            }
            let service = service.clone();
            tokio::spawn(async move {
                drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await);
            });
        }
    });
    runtime
}
