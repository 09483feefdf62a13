"""`python -m sagesmith.gateway --data DIR --endpoint FD --proxy FD --outside FD`: a router process."""

from sagesmith import compiled

if __name__ == "__main__":
    compiled.use()
    from sagesmith.gateway.process import main

    main()
