"""Precision and recall of detect-secrets over the labelled corpus. See README.md."""

import pathlib
import tempfile

from detect_secrets import SecretsCollection
from detect_secrets.settings import default_settings


def cases():
    corpus = pathlib.Path(__file__).with_name("secrets.tsv")
    for line in corpus.read_text().splitlines():
        if not line.startswith("#"):
            label, name, text = line.split("\t", 2)
            text = text.replace("{}", "").replace(r"\\", "\0").replace(r"\n", "\n").replace("\0", "\\")
            yield label == "secret", name, text


def main():
    right = missed = wrong = count = 0
    with tempfile.TemporaryDirectory() as folder, default_settings():
        for is_secret, name, text in cases():
            # Its name counts; the folder keeps one case apart from the next.
            path = pathlib.Path(folder, f"case{count}", name)
            path.parent.mkdir()
            path.write_text(text + "\n")
            secrets = SecretsCollection()
            secrets.scan_file(str(path))
            is_found = bool(list(secrets))
            right += is_secret and is_found
            missed += is_secret and not is_found
            wrong += is_found and not is_secret
            count += 1
    precision, recall = right / max(right + wrong, 1), right / max(right + missed, 1)
    print(f"detect-secrets: {count} cases: precision {precision:.3f}, recall {recall:.3f}")


main()
