"""`python -m service` is `whydenied`."""

from service.cli import main

if __name__ == "__main__":
    main()
