"""A certificate authority of a test's own, and certificates that it signs, made with openssl."""

import pathlib

import processes


class Authority:
    def __init__(self, folder: pathlib.Path, name="Test CA"):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        processes.own(folder)
        self.folder = folder
        self.file = folder / "ca.pem"
        processes.run(["openssl", "req", "-x509", *self._new_key("ca.key"), "-days", "30",
                       "-subj", f"/CN={name}", "-out", self.file])

    def _new_key(self, name: str) -> list:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", self.folder / name]

    def issue(self, name: str, alternatives="DNS:localhost,IP:127.0.0.1") -> tuple:
        """Files of a certificate and its key, for a server or a client."""
        request, extensions, certificate = (self.folder / f"{name}.{end}"
                                            for end in ("csr", "ext", "pem"))
        extensions.write_text(f"subjectAltName={alternatives}\n"
                              "extendedKeyUsage=serverAuth,clientAuth\n")
        extensions.chmod(0o644)
        processes.run(["openssl", "req", *self._new_key(f"{name}.key"), "-subj", f"/CN={name}",
                       "-out", request])
        processes.run(["openssl", "x509", "-req", "-in", request, "-CA", self.file, "-CAkey",
                       self.folder / "ca.key", "-CAcreateserial", "-days", "30", "-extfile",
                       extensions, "-out", certificate])
        return certificate, self.folder / f"{name}.key"
