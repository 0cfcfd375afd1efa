FROM python:3.8
ENV SECRET_KEY=5f2b1c9ae07d41
ENV DATABASE_URL=postgresql://shop.internal:5432/shop
COPY . /app
WORKDIR /app
RUN apt-get update
RUN apt-get install -y gcc python3-dev
RUN pip install -r requirements.txt
EXPOSE 80
ENTRYPOINT python app.py
CMD ["--port", "5000"]
