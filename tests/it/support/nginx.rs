//! Runs nginx on loopback, as a proxy or as the end of TLS in front of a server of the test.

use std::env;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// An nginx that ends with the test, even if the test panics.
pub struct Nginx {
    child: Child,
    addr: SocketAddr,
    folder: PathBuf,
}

impl Nginx {
    /// Starts it with the text of its `http` block, which is made for the address to listen at: `listen {addr};`.
    ///
    /// The files are written beside the configuration, which names them without a folder (`ssl_certificate cert.pem;`).
    pub fn start(files: &[(&str, &str)], http: impl FnOnce(SocketAddr) -> String) -> Self {
        let folder = new_folder();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let addr = free_address();
        fs::write(folder.join("nginx.conf"), configuration(&http(addr))).unwrap();
        let child = Command::new("nginx")
            .arg("-p")
            .arg(&folder)
            .args(["-c", "nginx.conf", "-e", "stderr"])
            .env("PATH", path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .expect("nginx is there: run scripts/interop");
        let mut nginx = Self { child, addr, folder };
        nginx.wait();
        nginx
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The lines that it has written about errors.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    fn wait(&mut self) {
        let began = Instant::now();
        while TcpStream::connect(self.addr).is_err() {
            let has_ended = self.child.try_wait().unwrap().is_some();
            let is_late = began.elapsed() > Duration::from_secs(30);
            assert!(!has_ended && !is_late, "nginx does not come up: {}", self.log());
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// One process, which leaves no others behind, and no folder outside of its own.
fn configuration(http: &str) -> String {
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = folders.map(|name| format!("{name}_temp_path {name};\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\npid pid;\nerror_log stderr info;\nevents {{}}\n\
         http {{\naccess_log off;\n{folders}{http}\n}}\n"
    )
}

/// Debian has it in a folder that only the PATH of root has.
fn path() -> String {
    format!("{}:/usr/sbin", env::var("PATH").unwrap_or_default())
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn new_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("tower-bearer-nginx-{}-{count}", std::process::id());
    let folder = env::temp_dir().join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}
