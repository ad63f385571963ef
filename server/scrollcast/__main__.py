"""`python -m scrollcast`."""

from scrollcast.cli import run

if __name__ == "__main__":
    run()
