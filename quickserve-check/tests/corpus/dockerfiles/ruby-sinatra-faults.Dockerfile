FROM ruby:2.7
RUN apt-get update && apt-get install -y build-essential
COPY . /app
WORKDIR /app
RUN bundle install --without development test
USER root
CMD bundle exec rackup -p 9292
